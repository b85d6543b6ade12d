"""The jobs of the train DAG: fit a candidate, and score it and the champion on the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from include import evaluation, features, scoring, training
from include.gate import Scores
from include.jobs.work import Work
from include.pages import heading, page, paragraph, table
from include.registry import Alias, Registry
from include.scoring import Scorer
from include.spec import Metric, Pipeline
from include.tags import Tag
from include.tracking import Experiment, RunLog
from include.training import Window

if TYPE_CHECKING:
    import pandas as pd

CARD = "model_card.html"
"""The artifact with all that an evaluation found."""


def train(work: Work) -> dict[str, Any]:
    """Fit on the window that ends with `until`, and log everything to one MLflow run; `{run_id, link}`."""
    job, trainings = work.job, _trainings(work)
    done = trainings.finished(job.run_key)
    if done is not None:
        return {"run_id": done.info.run_id, "link": trainings.link(done.info.run_id)}
    tags = {Tag.COMMIT: job.commit, Tag.UNTIL: job.until, **work.run.tags()}
    with trainings.start(job.run_key, name=f"until {job.until}", tags=tags) as run:
        training.fit(
            work.spec,
            work.table,
            _window(work),
            commit=job.commit,
            folder=work.folder,
            params=job.params,
            run=run,
        )
    return {"run_id": run.id, "link": run.link()}


def evaluate(work: Work) -> dict[str, Any]:
    """Score candidate and champion on the held-out rows of the candidate's commit; the gate's `Scores`.

    The numbers, the slices and a model card are added to the candidate's run.
    """
    run = _trainings(work).log(str(work.job.candidate))
    scorers, champion = _scorers(work)
    rows = evaluation.held_out(_rows(work, scorers), work.spec.model)
    judged = _judge(work.spec, scorers, rows)
    scores = _scores(work.spec, judged, run, champion)
    _store(work, run, scores, judged)
    return scores.to_json()


def held_out_metric(metric: Metric) -> str:
    """The name under which a candidate's own score is kept on its training run."""
    return f"held_out.{metric.value}"


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What the candidate, and the champion if there is one, are worth on the same rows.

    `metrics` and `slices` hold a number for each of the two; `latency_ms` is the candidate's.
    """

    rows: int
    metrics: dict[Metric, dict[str, float]]
    slices: dict[str, dict[str, float]]
    latency_ms: float


def _trainings(work: Work) -> Experiment:
    return training.experiment(work.spec, work.services.tracking_uri)


def _window(work: Work) -> Window:
    return Window.until(date.fromisoformat(work.job.until), work.spec.training)


def _scorers(work: Work) -> tuple[dict[str, Scorer], int | None]:
    """The candidate, and the champion if there is one, with its version."""
    uri, name = work.services.tracking_uri, work.spec.name
    registry = Registry(uri)
    runs, version = {"candidate": str(work.job.candidate)}, registry.version_of(name, Alias.CHAMPION)
    if version is not None:
        runs["champion"] = str(registry.version(name, version).run_id)
    return {who: scoring.load(work.spec, work.folder, uri, run) for who, run in runs.items()}, version


def _rows(work: Work, scorers: Mapping[str, Scorer]) -> pd.DataFrame:
    slices = work.spec.gate.slices
    wanted = [name for scorer in scorers.values() for name in scorer.model.features.all]
    wanted += [slices.column] if slices else []
    columns = features.columns(work.spec.model, *wanted)
    return work.table.frame(work.job.commit, *_window(work).held_out, columns)


def _judge(spec: Pipeline, scorers: Mapping[str, Scorer], rows: pd.DataFrame) -> _Judged:
    truth, candidate = features.target(rows, spec.model), scorers["candidate"]
    answers = {who: scorer.predict(rows) for who, scorer in scorers.items()}
    slices, groups = {}, spec.gate.slices
    if groups is not None:
        column = rows[groups.column].reset_index(drop=True)
        slices = evaluation.slices(spec.gate.metric, column, truth, answers)
    return _Judged(
        rows=len(rows),
        metrics={
            metric: {who: evaluation.score(metric, truth, given) for who, given in answers.items()}
            for metric in _metrics(spec)
        },
        slices=slices,
        latency_ms=evaluation.latency_ms(candidate.estimator, candidate.matrix(rows)),
    )


def _metrics(spec: Pipeline) -> set[Metric]:
    """The gate's metric, and the one that monitoring compares with later."""
    performance = spec.monitoring.performance
    return {spec.gate.metric} | ({performance.metric} if performance else set())


def _scores(spec: Pipeline, judged: _Judged, run: RunLog, champion: int | None) -> Scores:
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
        link=run.link(CARD),
    )


def _slice_drop(slices: Mapping[str, Mapping[str, float]]) -> float | None:
    drops = [found["champion"] - found["candidate"] for found in slices.values() if "champion" in found]
    return max(drops, default=None)


def _store(work: Work, run: RunLog, scores: Scores, judged: _Judged) -> None:
    numbers = {held_out_metric(metric): found["candidate"] for metric, found in judged.metrics.items()}
    numbers |= {
        f"champion.{metric.value}": found["champion"]
        for metric, found in judged.metrics.items()
        if "champion" in found
    }
    run.metrics({**numbers, "held_out.rows": judged.rows, evaluation.LATENCY: judged.latency_ms})
    run.json(judged.slices, "slices.json")
    run.text(_card(work, scores, judged), CARD)


def _card(work: Work, scores: Scores, judged: _Judged) -> str:
    spec, columns = work.spec, sorted({who for found in judged.metrics.values() for who in found})
    metrics = [_numbers(metric.value, found, columns) for metric, found in judged.metrics.items()]
    slices = [_numbers(name, found, columns) for name, found in judged.slices.items()]
    return page(
        f"{spec.name}: a model that predicts {spec.model.target!r}",
        paragraph(spec.description),
        table(("what", "value"), _facts(work, scores)),
        heading("On the held-out rows"),
        table(("metric", *columns), metrics),
        heading(f"{scores.metric} by {spec.gate.slices.column}" if spec.gate.slices else "No slices"),
        table(("slice", *columns), slices),
    )


def _facts(work: Work, scores: Scores) -> list[tuple[str, object]]:
    spec, window, champion = work.spec, _window(work), scores.champion_version
    return [
        ("data", f"lakefs://{spec.lake.repository}/{work.job.commit}/{spec.lake.table}/"),
        ("fitted on", f"{window.first} to {window.fitted}"),
        ("held out", f"{window.held_out[0]} to {window.held_out[1]}, {scores.rows:,} rows"),
        ("features", ", ".join(spec.model.features.all)),
        ("parameters", json.dumps({**spec.model.params, **work.job.params})),
        ("seed", spec.model.seed),
        ("one row takes", f"{scores.latency_ms:.1f} ms"),
        ("champion then", "none" if champion is None else f"version {champion}"),
        ("code", work.run.code_version or "unknown"),
    ]


def _numbers(name: str, found: dict[str, float], columns: list[str]) -> tuple[object, ...]:
    return name, *(f"{found[who]:.4f}" if who in found else "" for who in columns)
