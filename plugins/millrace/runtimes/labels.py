"""Labels of the containers and pods of jobs: which task they work for, and when they expire."""

from __future__ import annotations

import hashlib

from include.run_identity import RUN_KEY

__all__ = ["DEPLOYMENT", "EXPIRES_AT", "RUN_KEY", "digest"]

DEPLOYMENT = "millrace.deployment"
"""The deployment that a container belongs to, on an engine that several deployments share."""
EXPIRES_AT = "millrace.expires_at"
"""Expiry (Unix seconds); later, any task may remove it."""


def digest(run_key: str) -> str:
    """Return the digest of a run key for names, which may hold letters and digits only."""
    return hashlib.sha256(run_key.encode()).hexdigest()[:16]
