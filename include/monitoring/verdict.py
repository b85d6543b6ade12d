"""The verdict of one monitoring day: every limit that was broken is a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.contract.model import PREDICTION
from include.contract.monitoring import Fairness, Performance
from include.contract.pipeline import Pipeline
from include.modelling import features
from include.modelling.metrics import has_enough_rows, score
from include.monitoring.drift import DriftResult
from include.monitoring.history import BREACHED, KEPT, REPORT, ROWS, TAG_LENGTH
from include.tracking.runs import RunLog
from include.tracking.tags import Tag
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd


def assess(
    spec: Pipeline, drifted: DriftResult, labelled: pd.DataFrame, rows: pd.DataFrame, held_out: float | None
) -> Verdict:
    """The verdict of a night: every limit that was broken is a reason.

    `labelled` are the rows with a known target, `rows` all of the window, both with predictions;
    `held_out` is the champion's metric when it was trained, None if it is not known.
    """
    limits, numbers = spec.monitoring, {ROWS: float(len(rows)), "labelled": float(len(labelled))}
    reasons = _drift_reasons(spec, drifted, numbers)
    if limits.performance:
        reasons += _performance_reasons(spec, limits.performance, labelled, held_out, numbers)
    if limits.fairness:
        reasons += _fairness_reasons(limits.fairness, rows, numbers)
    return Verdict(passed=not reasons, reasons=tuple(reasons), numbers=numbers)


def store(run: RunLog, verdict: Verdict, drifted: DriftResult) -> None:
    """Write a night's verdict and report to its run."""
    run.text(drifted.html, REPORT)
    run.json(verdict.to_json(), "verdict.json")
    run.metrics(verdict.numbers)
    run.tags(
        {
            Tag.STATE: KEPT if verdict.passed else BREACHED,
            Tag.DRIFTED: ",".join(drifted.features)[:TAG_LENGTH],
            Tag.REASONS: "; ".join(verdict.reasons)[:TAG_LENGTH],
        }
    )


def _drift_reasons(spec: Pipeline, drifted: DriftResult, numbers: dict[str, float]) -> list[str]:
    limit = spec.monitoring.drift.share
    numbers |= {f"drift.{name}": distance for name, distance in drifted.distances.items()}
    numbers["drift.share"] = drifted.share
    if drifted.share < limit:
        return []
    names = ", ".join(drifted.features)
    return [f"{drifted.share:.2f} of the features drifted, the limit is {limit:g}: {names}"]


def _performance_reasons(
    spec: Pipeline,
    limits: Performance,
    labelled: pd.DataFrame,
    held_out: float | None,
    numbers: dict[str, float],
) -> list[str]:
    truth = features.target(labelled, spec.model)
    if held_out is None or not has_enough_rows(truth):
        return []
    now = score(limits.metric, truth, labelled[PREDICTION].to_numpy())
    numbers |= {f"performance.{limits.metric.value}": now, "performance.held_out": held_out}
    if held_out - now <= limits.max_drop:
        return []
    return [
        f"{limits.metric.value} fell from {held_out:.4f} at training to {now:.4f}, "
        f"by more than {limits.max_drop:g}"
    ]


def _fairness_reasons(limits: Fairness, rows: pd.DataFrame, numbers: dict[str, float]) -> list[str]:
    """The gap between the highest and the lowest selection rate (demographic parity difference)."""
    selected = (rows[PREDICTION] >= limits.selected_from).groupby(rows[limits.column].to_numpy())
    rates = selected.mean()[selected.size() >= limits.min_rows]
    if len(rates) < 2:
        return []
    gap = float(rates.max() - rates.min())
    numbers["fairness.gap"] = gap
    if gap <= limits.max_gap:
        return []
    return [f"selection rates of {limits.column!r} lie {gap:.3f} apart, more than {limits.max_gap:g}"]
