"""Governance: which model version is in production, and the record of why."""
