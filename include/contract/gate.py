"""Section `gate`: the rules that decide whether a candidate becomes champion."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
)

from include.contract.numbers import NUMBER, Real, Share
from include.contract.text import ColumnName
from include.contract.types import Metric, Section, TimeLimit


class Slices(Section):
    """Groups of rows on which the candidate must not fall behind."""

    column: ColumnName
    max_drop: Share = 0.03


class Gate(Section):
    """The rules that decide whether a candidate becomes champion."""

    metric: Metric = Metric.ROC_AUC
    minimum: Real
    min_improvement: Real = 0.0
    slices: Slices | None = None
    max_latency_ms: Annotated[float, Field(gt=0, le=3_600_000), NUMBER] | None = Field(
        None, description="For one row, median."
    )
    approval: bool = Field(False, description="Ask a person before promotion.")
    approval_timeout: TimeLimit = Field(
        timedelta(days=3),
        description="No response within this time counts as a rejection; a later candidate waits until then.",
    )

    @field_validator("minimum")
    @classmethod
    def _minimum_in_range(cls, value: float, info: ValidationInfo) -> float:
        metric: Metric | None = info.data.get("metric")
        if metric is not None:  # else its own fault is reported
            _check_range(value, metric.range, f"the range of {metric.value}; greater is better")
        return value

    @field_validator("min_improvement")
    @classmethod
    def _improvement_in_range(cls, value: float, info: ValidationInfo) -> float:
        metric: Metric | None = info.data.get("metric")
        if metric is not None:
            span = metric.range[1] - metric.range[0]
            _check_range(value, (-span, span), f"by which two values of {metric.value} can differ")
        return value


def _check_range(value: float, allowed: tuple[float, float], meaning: str) -> None:
    least, greatest = allowed
    if not least <= value <= greatest:
        raise ValueError(f"{value} is outside of {least:g} to {greatest:g}, {meaning}")
