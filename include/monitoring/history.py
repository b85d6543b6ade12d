"""The monitoring runs of a pipeline in MLflow, one a day and champion."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from include.contract.pipeline import Pipeline
from include.tracking.runs import Experiment
from include.tracking.tags import Tag

if TYPE_CHECKING:
    pass


BREACHED, KEPT = "breached", "kept"
REPORT = "drift.html"
"""The artifact that holds a night's report."""


TAG_LENGTH = 4000


def experiment(spec: Pipeline, tracking_uri: str) -> Experiment:
    """Where the nights of a pipeline are."""
    return Experiment(tracking_uri, f"{spec.name}.monitor")


def tags(night: date, version: int, learned: date) -> dict[str, str]:
    """What a night's run is found by, and up to which day the champion has learned."""
    return {Tag.NIGHT: night.isoformat(), Tag.VERSION: str(version), Tag.LEARNED: learned.isoformat()}


ROWS = "rows"
