"""The job `evaluate`: score the candidate and the champion on the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.html import heading, page, paragraph, table
from include.jobs.context import JobContext
from include.modelling import features, metrics, scorer
from include.modelling.comparison import MODEL_CARD, Comparison, Scores, compare, to_scores
from include.modelling.scorer import Scorer
from include.tracking.registry import Alias, Registry
from include.tracking.runs import RunLog

if TYPE_CHECKING:
    import pandas as pd


def evaluate(work: JobContext) -> dict[str, Any]:
    """Score candidate and champion on the held-out rows of the candidate's commit; the gate's `Scores`.

    The numbers, the slices and a model card are added to the candidate's run.
    """
    run = work.trainings.log(str(work.job.candidate))
    scorers, champion = _scorers(work)
    rows = metrics.held_out(_rows(work, scorers), work.spec.model)
    judged = compare(work.spec, scorers, rows)
    scores = to_scores(work.spec, judged, run, champion)
    _store(work, run, scores, judged)
    return scores.to_json()


def _scorers(work: JobContext) -> tuple[dict[str, Scorer], int | None]:
    """The candidate, and the champion if there is one, with its version."""
    uri, name = work.services.tracking_uri, work.spec.name
    registry = Registry(uri)
    runs, version = {"candidate": str(work.job.candidate)}, registry.version_of(name, Alias.CHAMPION)
    if version is not None:
        runs["champion"] = str(registry.version(name, version).run_id)
    return {who: scorer.load(work.spec, work.folder, uri, run) for who, run in runs.items()}, version


def _rows(work: JobContext, scorers: Mapping[str, Scorer]) -> pd.DataFrame:
    slices = work.spec.gate.slices
    wanted = [name for scorer in scorers.values() for name in scorer.model.features.all]
    wanted += [slices.column] if slices else []
    columns = features.columns(work.spec.model, *wanted)
    return work.table.frame(work.job.commit, *work.training_window.held_out, columns)


def _store(work: JobContext, run: RunLog, scores: Scores, judged: Comparison) -> None:
    numbers = {
        metrics.held_out_metric(metric): found["candidate"] for metric, found in judged.metrics.items()
    }
    numbers |= {
        f"champion.{metric.value}": found["champion"]
        for metric, found in judged.metrics.items()
        if "champion" in found
    }
    run.metrics({**numbers, "held_out.rows": judged.rows, metrics.LATENCY: judged.latency_ms})
    run.json(judged.slices, "slices.json")
    run.text(_card(work, scores, judged), MODEL_CARD)


def _card(work: JobContext, scores: Scores, judged: Comparison) -> str:
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


def _facts(work: JobContext, scores: Scores) -> list[tuple[str, object]]:
    spec, window, champion = work.spec, work.training_window, scores.champion_version
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
