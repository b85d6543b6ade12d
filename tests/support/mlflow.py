"""MLflow's store in a file, without its server: what a client does is the same."""

from __future__ import annotations

from include.platform.trial.lab import make_store

__all__ = ["make_store"]
