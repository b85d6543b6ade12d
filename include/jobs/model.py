"""The jobs of the train DAG: fit a candidate, and score it and the champion on the same rows."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from include import evaluation, features, scoring, training
from include.gate import Scores
from include.jobs.work import Work
from include.pages import heading, page, paragraph, table
from include.registry import Alias, Registry
from include.scoring import Scorer
from include.spec import Metric, Pipeline
from include.tracking import Experiment, RunLog
from include.training import Window

if TYPE_CHECKING:
    import pandas as pd

_CARD = "model_card.html"
LEARNED = "millrace.until"
"""The tag with the last day of a training run's window (ISO date)."""


def train(work: Work) -> dict[str, Any]:
    """Fit on the window that ends with `until`, and log everything to one MLflow run; `{run_id, link}`."""
    job, found = work.job, _experiment(work)
    done = found.finished(job.run_key)
    if done is not None:
        return {"run_id": done.info.run_id, "link": found.link(done.info.run_id)}
    tags = {"millrace.commit": job.commit, LEARNED: job.until, **work.run.tags()}
    with found.start(job.run_key, name=f"until {job.until}", tags=tags) as run:
        window = Window.until(date.fromisoformat(job.until), work.spec.training)
        training.fit(
            work.spec,
            work.table,
            window,
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
    spec, job = work.spec, work.job
    run = _experiment(work).log(str(job.candidate))
    scorers, version = _scorers(work)
    window = Window.until(date.fromisoformat(job.until), spec.training)
    rows = evaluation.held_out(_rows(work, window, scorers), spec.model)
    truth = features.target(rows, spec.model)
    predictions = {who: scorer.predict(rows) for who, scorer in scorers.items()}
    metrics = {
        metric: {who: evaluation.score(metric, truth, given) for who, given in predictions.items()}
        for metric in _metrics(spec)
    }
    groups = spec.gate.slices and rows[spec.gate.slices.column].reset_index(drop=True)
    slices = {} if groups is None else evaluation.slices(spec.gate.metric, groups, truth, predictions)
    chosen = metrics[spec.gate.metric]
    scores = Scores(
        training_run=run.id,
        metric=spec.gate.metric.value,
        rows=len(rows),
        candidate=chosen["candidate"],
        champion=chosen.get("champion"),
        champion_version=version,
        slice_drop=_slice_drop(slices),
        latency_ms=evaluation.latency_ms(scorers["candidate"].estimator, scorers["candidate"].matrix(rows)),
        link=run.link(_CARD),
    )
    _store(work, run, scores, metrics, slices)
    return scores.to_json()


def held_out_metric(metric: Metric) -> str:
    """The name under which a candidate's own score is kept on its training run."""
    return f"held_out.{metric.value}"


def _experiment(work: Work) -> Experiment:
    return Experiment(work.services.tracking_uri, f"{work.spec.name}.train")


def _scorers(work: Work) -> tuple[dict[str, Scorer], int | None]:
    """The candidate, and the champion if there is one, with its version."""
    uri, name = work.services.tracking_uri, work.spec.name
    registry = Registry(uri)
    runs, version = {"candidate": str(work.job.candidate)}, registry.version_of(name, Alias.CHAMPION)
    if version is not None:
        runs["champion"] = str(registry.version(name, version).run_id)
    return {who: scoring.load(work.spec, work.folder, uri, run) for who, run in runs.items()}, version


def _rows(work: Work, window: Window, scorers: dict[str, Scorer]) -> pd.DataFrame:
    slices = work.spec.gate.slices
    wanted = [name for scorer in scorers.values() for name in scorer.model.features.all]
    wanted += [slices.column] if slices else []
    return work.table.frame(work.job.commit, *window.held_out, features.columns(work.spec.model, *wanted))


def _metrics(spec: Pipeline) -> set[Metric]:
    """The gate's metric, and the one that monitoring compares with later."""
    performance = spec.monitoring.performance
    return {spec.gate.metric} | ({performance.metric} if performance else set())


def _slice_drop(slices: dict[str, dict[str, float]]) -> float | None:
    drops = [found["champion"] - found["candidate"] for found in slices.values() if "champion" in found]
    return max(drops, default=None)


def _store(
    work: Work,
    run: RunLog,
    scores: Scores,
    metrics: dict[Metric, dict[str, float]],
    slices: dict[str, dict[str, float]],
) -> None:
    numbers = {held_out_metric(metric): found["candidate"] for metric, found in metrics.items()}
    numbers |= {
        f"champion.{metric.value}": found["champion"]
        for metric, found in metrics.items()
        if "champion" in found
    }
    run.metrics({**numbers, "held_out.rows": scores.rows, "latency_ms": scores.latency_ms})
    run.json(slices, "slices.json")
    run.text(_card(work, scores, metrics, slices), _CARD)


def _card(
    work: Work,
    scores: Scores,
    metrics: dict[Metric, dict[str, float]],
    slices: dict[str, dict[str, float]],
) -> str:
    spec, window = work.spec, Window.until(date.fromisoformat(work.job.until), work.spec.training)
    facts = [
        ("data", f"lakefs://{spec.lake.repository}/{work.job.commit}/{spec.lake.table}/"),
        ("fitted on", f"{window.first} to {window.fitted}"),
        ("held out", f"{window.held_out[0]} to {window.held_out[1]}, {scores.rows:,} rows"),
        ("features", ", ".join(spec.model.features.all)),
        ("parameters", json.dumps({**spec.model.params, **work.job.params})),
        ("seed", spec.model.seed),
        ("one row takes", f"{scores.latency_ms:.1f} ms"),
        (
            "champion then",
            "none" if scores.champion_version is None else f"version {scores.champion_version}",
        ),
        ("code", work.run.code_version or "unknown"),
    ]
    columns = sorted({who for found in metrics.values() for who in found})
    return page(
        f"{spec.name}: a model that predicts {spec.model.target!r}",
        paragraph(spec.description),
        table(("what", "value"), facts),
        heading("On the held-out rows"),
        table(("metric", *columns), [_numbers(m.value, found, columns) for m, found in metrics.items()]),
        heading(f"{scores.metric} by {spec.gate.slices.column}" if spec.gate.slices else "No slices"),
        table(("slice", *columns), [_numbers(name, found, columns) for name, found in slices.items()]),
    )


def _numbers(name: str, found: dict[str, float], columns: list[str]) -> tuple[object, ...]:
    return name, *(f"{found[who]:.4f}" if who in found else "" for who in columns)
