"""What containers and pods of jobs are labelled with: for whom they work, and until when."""

from __future__ import annotations

import hashlib

from include.tracking.tags import Tag

DEPLOYMENT = "millrace.deployment"
"""Whose container it is, on an engine that has several deployments."""
RUN_KEY = Tag.RUN_KEY.value
"""Of its task; the MLflow run that it makes has the same."""
EXPIRES_AT = "millrace.over"
"""The Unix time after which nobody waits for it any more."""


def digest(run_key: str) -> str:
    """What stands for a run key in names, which take no more than letters and digits."""
    return hashlib.sha256(run_key.encode()).hexdigest()[:16]
