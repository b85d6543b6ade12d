"""The verdict of one monitoring day: every limit that was exceeded is a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from include.contract.pipeline import Pipeline
from include.monitoring import drift, fairness, performance
from include.monitoring.drift import DriftResult
from include.monitoring.findings import Findings
from include.tracking.names import LATENCY, ROWS
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd


class MonitoringVerdict(Verdict):
    """A verdict with the features that drifted."""

    drifted: tuple[str, ...] = ()


def assess(
    pipeline: Pipeline,
    drift_result: DriftResult,
    *,
    labelled: pd.DataFrame,
    rows: pd.DataFrame,
    held_out: float | None,
    latency_ms: float | None = None,
    labels: Mapping[str, float] | None = None,
) -> MonitoringVerdict:
    """Return the verdict of a monitoring day.

    `labelled` are the rows with a known target, `rows` all of the window, both with predictions; `held_out`
    is the champion's metric when it was trained, `latency_ms` its time for one row, None if not known.
    `labels` counts how labels of another table met the rows.
    """
    limits = pipeline.monitoring
    findings = [drift.assess(drift_result, limits.drift)]
    if limits.performance:
        findings.append(performance.assess(labelled, pipeline.model, held_out, limits.performance))
    if limits.fairness:
        findings.append(fairness.assess(rows, limits.fairness))
    counts = {ROWS: float(len(rows)), "labelled": float(len(labelled)), **(labels or {})}
    latency = {} if latency_ms is None else {LATENCY: latency_ms}
    return _verdict([Findings(counts), *findings, Findings(latency)], drift_result.features)


def _verdict(findings: list[Findings], drifted: tuple[str, ...]) -> MonitoringVerdict:
    reasons = tuple(reason for found in findings for reason in found.reasons)
    numbers = {name: number for found in findings for name, number in found.numbers.items()}
    return MonitoringVerdict(passed=not reasons, reasons=reasons, numbers=numbers, drifted=drifted)
