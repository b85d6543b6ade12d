"""Exports: the table as other tools read it."""
