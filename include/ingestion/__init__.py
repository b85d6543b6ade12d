"""Ingestion: from a source to checked rows on a branch of the lake."""
