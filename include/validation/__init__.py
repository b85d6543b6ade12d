"""Validation: check rows with a Great Expectations suite."""
