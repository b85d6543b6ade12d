"""Compare a candidate with the champion on the same held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.contract.pipeline import Pipeline
from include.contract.types import Metric
from include.modelling import features, metrics
from include.modelling.scorer import Scorer
from include.tracking.runs import RunLog

if TYPE_CHECKING:
    import pandas as pd


MODEL_CARD = "model_card.html"
"""The artifact with all that an evaluation found."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Candidate and champion on the same held-out rows of the same commit.

    `slice_drop` is the largest fall of the metric, from champion to candidate, over the gate's slices;
    None without a champion or without slices. `latency_ms` is the candidate's, for one row. `link` is the
    page with all the numbers.
    """

    training_run: str
    metric: str
    rows: int
    candidate: float
    champion: float | None = None
    champion_version: int | None = None
    slice_drop: float | None = None
    latency_ms: float
    link: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the candidate, and the champion if there is one, are worth on the same rows.

    `metrics` and `slices` hold a number for each of the two; `latency_ms` is the candidate's.
    """

    rows: int
    metrics: dict[Metric, dict[str, float]]
    slices: dict[str, dict[str, float]]
    latency_ms: float


def compare(spec: Pipeline, scorers: Mapping[str, Scorer], rows: pd.DataFrame) -> Comparison:
    truth, candidate = features.target(rows, spec.model), scorers["candidate"]
    answers = {who: scorer.predict(rows) for who, scorer in scorers.items()}
    slices, groups = {}, spec.gate.slices
    if groups is not None:
        column = rows[groups.column].reset_index(drop=True)
        slices = metrics.slices(spec.gate.metric, column, truth, answers)
    return Comparison(
        rows=len(rows),
        metrics={
            metric: {who: metrics.score(metric, truth, given) for who, given in answers.items()}
            for metric in _metrics(spec)
        },
        slices=slices,
        latency_ms=metrics.latency_ms(candidate.estimator, candidate.matrix(rows)),
    )


def _metrics(spec: Pipeline) -> set[Metric]:
    """The gate's metric, and the one that monitoring compares with later."""
    performance = spec.monitoring.performance
    return {spec.gate.metric} | ({performance.metric} if performance else set())


def to_scores(spec: Pipeline, judged: Comparison, run: RunLog, champion: int | None) -> Scores:
    found = judged.metrics[spec.gate.metric]
    return Scores(
        training_run=run.id,
        metric=spec.gate.metric.value,
        rows=judged.rows,
        candidate=found["candidate"],
        champion=found.get("champion"),
        champion_version=champion,
        slice_drop=_slice_drop(judged.slices),
        latency_ms=judged.latency_ms,
        link=run.link(MODEL_CARD),
    )


def _slice_drop(slices: Mapping[str, Mapping[str, float]]) -> float | None:
    drops = [found["champion"] - found["candidate"] for found in slices.values() if "champion" in found]
    return max(drops, default=None)
