"""Labels of the containers and pods of jobs: which task they work for, and when they expire."""

from __future__ import annotations

import hashlib

from include.tracking.tags import Tag

DEPLOYMENT = "millrace.deployment"
"""The deployment that a container belongs to, on an engine that several deployments share."""
RUN_KEY = Tag.RUN_KEY.value
"""The run key of its task, equal to that of the MLflow run that it makes."""
EXPIRES_AT = "millrace.over"
"""Expiry (Unix seconds); later, any task may remove it."""


def digest(run_key: str) -> str:
    """Return the digest of a run key for names, which may hold letters and digits only."""
    return hashlib.sha256(run_key.encode()).hexdigest()[:16]
