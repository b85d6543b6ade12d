"""Section `gate`: the rules that decide whether a candidate becomes champion."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import (
    Field,
)

from include.contract.types import Duration, Metric, Section, Share


class Slices(Section):
    """Groups of rows on which the candidate must not fall behind."""

    column: str
    max_drop: Share = 0.03


class Gate(Section):
    """The rules that decide whether a candidate becomes champion."""

    metric: Metric = Metric.ROC_AUC
    minimum: float
    min_improvement: float = 0.0
    slices: Slices | None = None
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(None, description="For one row, median.")
    approval: bool = Field(False, description="Ask a person before promotion.")
    approval_timeout: Duration = Field(
        timedelta(days=3),
        description="No response within this time counts as a rejection; a later candidate waits until then.",
    )
