"""Comparison: candidate and champion, scored on the same held-out rows of the same commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from include.contract.pipeline import Pipeline
from include.contract.types import Metric
from include.exceptions import ChampionUnusable
from include.excerpt import excerpt
from include.modelling import features, metrics
from include.modelling.champion import ANY, Champion, faults_of
from include.modelling.estimator import predicting
from include.modelling.scorer import Scorer
from include.record import Record
from include.tracking.names import LATENCY, held_out_metric
from include.tracking.registry import Alias

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


class Scores(Record):
    """What the gate decides on: one metric of candidate and champion on the same held-out rows."""

    training_run: str = Field(description="The MLflow run of the candidate.")
    metric: str = Field(description="The name of `gate.metric`.")
    rows: int = Field(description="The number of held-out rows with a target.")
    candidate: float = Field(description="The candidate's metric; greater is better.")
    champion: float | None = Field(
        None, description="The champion's metric; null without a champion, or if it could not be scored."
    )
    champion_version: int | None = Field(None, description="The champion's version; null without a champion.")
    champion_fault: str | None = Field(
        None,
        description="Why the champion could not be scored, in one sentence without values of the data; the "
        "gate then judges the candidate alone.",
    )
    slice_drop: float | None = Field(
        None,
        description="The largest drop from champion to candidate over the slices of `gate.slices`; null "
        "without a champion or without slices.",
    )
    latency_ms: float = Field(description="The candidate's time for one row, in ms.")
    link: str = Field("", description="The page with all the numbers.")

    @field_validator("champion_fault")
    @classmethod
    def _bounded(cls, fault: str | None) -> str | None:
        """Bound what an image of someone's own returned: the ledger keeps it."""
        return None if fault is None else excerpt(" ".join(fault.split()))

    @property
    def no_comparison(self) -> str | None:
        """Why there is a champion and no comparison with it, as a sentence; None otherwise."""
        if self.champion_version is None or self.champion is not None:
            return None
        reason = self.champion_fault or "the evaluation gave no reason"
        return f"not compared with the champion (version {self.champion_version}): {reason}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores of the candidate and, if there is one that can be scored, of the champion.

    `metrics` and `slices` map to one value for each of the two; `latency_ms` is the candidate's.
    `champion_fault` is why the champion is not among them although there is one.
    """

    rows: int
    metrics: dict[Metric, dict[Alias, float]]
    slices: dict[str, dict[Alias, float]]
    latency_ms: float
    champion_fault: str | None = None

    @property
    def slice_drop(self) -> float | None:
        """The largest drop from champion to candidate over all slices; None without a champion or slices."""
        drops = [
            scores[Alias.CHAMPION] - scores[Alias.CANDIDATE]
            for scores in self.slices.values()
            if Alias.CHAMPION in scores
        ]
        return max(drops, default=None)

    def numbers(self) -> dict[str, float]:
        """Return the metrics to log on the candidate's training run."""
        numbers = {"held_out.rows": float(self.rows), LATENCY: self.latency_ms}
        for metric, scores in self.metrics.items():
            numbers[held_out_metric(metric)] = scores[Alias.CANDIDATE]
            if Alias.CHAMPION in scores:
                numbers[f"champion.{metric}"] = scores[Alias.CHAMPION]
        return numbers

    def scores(self, metric: Metric, *, training_run: str, champion_version: int | None, link: str) -> Scores:
        """Return what the gate decides on."""
        values = self.metrics[metric]
        return Scores(
            training_run=training_run,
            metric=metric.value,
            rows=self.rows,
            candidate=values[Alias.CANDIDATE],
            champion=values.get(Alias.CHAMPION),
            champion_version=champion_version,
            champion_fault=self.champion_fault,
            slice_drop=self.slice_drop,
            latency_ms=self.latency_ms,
            link=link,
        )


def compare(
    pipeline: Pipeline,
    candidate: Scorer,
    champion: Champion | None,
    read: Callable[[list[str]], pd.DataFrame],
    *,
    folder: Path,
) -> Comparison:
    """Score the candidate, and the champion if there is one, on the held-out rows that `read` returns.

    A fault of the champion becomes `champion_fault`, and the candidate is scored alone. What is wrong with
    the candidate or the rows raises then, too, so it is never taken for a fault of the champion.

    :param read: returns the held-out rows that have a target, with these columns.
    :param folder: holds the pipeline's own code, for messages.
    """
    if champion is None:
        return _compare_alone(pipeline, candidate, read, folder)
    try:
        with faults_of(champion.version, "be compared"):
            scorers = {Alias.CANDIDATE: candidate, Alias.CHAMPION: champion.load()}
            rows = read(_columns(pipeline, scorers))
        with predicting(folder), faults_of(champion.version, "be compared", ANY):
            return _compare(pipeline, scorers, rows)
    except ChampionUnusable as error:
        alone = _compare_alone(pipeline, candidate, read, folder)
        log.warning("the candidate is judged alone: %s", error)
        return replace(alone, champion_fault=error.reason)


def _compare_alone(
    pipeline: Pipeline, candidate: Scorer, read: Callable[[list[str]], pd.DataFrame], folder: Path
) -> Comparison:
    scorers = {Alias.CANDIDATE: candidate}
    rows = read(_columns(pipeline, scorers))
    with predicting(folder):
        return _compare(pipeline, scorers, rows)


def _columns(pipeline: Pipeline, scorers: Mapping[Alias, Scorer]) -> list[str]:
    slices = pipeline.gate.slices
    others = [name for scorer in scorers.values() for name in scorer.model.features.all]
    return features.columns(pipeline.model, *others, *([slices.column] if slices else []))


def _compare(pipeline: Pipeline, scorers: Mapping[Alias, Scorer], rows: pd.DataFrame) -> Comparison:
    truth, candidate = features.target(rows, pipeline.model), scorers[Alias.CANDIDATE]
    predictions = {alias: scorer.predict(rows) for alias, scorer in scorers.items()}
    slices, groups = {}, pipeline.gate.slices
    if groups is not None:
        column = rows[groups.column].reset_index(drop=True)
        slices = metrics.slices(pipeline.gate.metric, column, truth, predictions)
    return Comparison(
        rows=len(rows),
        metrics={
            metric: {alias: metrics.score(metric, truth, values) for alias, values in predictions.items()}
            for metric in _metrics(pipeline)
        },
        slices=slices,
        latency_ms=metrics.latency_ms(candidate.estimator, candidate.matrix(rows)),
    )


def _metrics(pipeline: Pipeline) -> list[Metric]:
    """Return the gate's metric, and the one that monitoring compares with later."""
    performance = pipeline.monitoring.performance
    return list(dict.fromkeys([pipeline.gate.metric, *([performance.metric] if performance else [])]))
