"""Runtimes: where the jobs of a pipeline run."""
