"""The job `measure`: compare what the champion saw with what it learned from."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING

from include.contract.model import DAY, Model
from include.exceptions import Absent, BadData
from include.excerpt import quote
from include.jobs.context import JobContext
from include.jobs.results import MeasureResult
from include.modelling import features, scorer
from include.modelling.champion import faults_of
from include.modelling.labels import LabelledFrame
from include.monitoring import drift
from include.monitoring.history import MonitoringDay, MonitoringHistory, store
from include.monitoring.verdict import assess
from include.tracking.names import LATENCY, Artifact, held_out_metric, monitoring_runs
from include.tracking.tags import Tag

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run


def measure(context: JobContext) -> MeasureResult:
    """Measure the window, and log numbers, verdict and report to one MLflow run.

    An earlier finished run is returned. Raises NotEnoughData if the window is empty, ChampionUnusable if the
    champion lacks something that it was to be stored with.
    """
    pipeline, spec = context.pipeline, context.spec
    history = MonitoringHistory(monitoring_runs(context.services.tracking, pipeline.name))
    key = f"{spec.run_key}/{spec.commit}"  # another commit is other data, to be measured again
    attempts = history.attempts(key)
    if (finished := attempts.finished) is not None:
        return MeasureResult(run_id=finished.id, link=finished.link(Artifact.DRIFT_REPORT))
    with faults_of(context.version, "be measured"):
        training_run = context.champion_run.run
        day = _day(context, training_run)
        model = scorer.trained_model(pipeline, context.champion_run)
        reference = _reference(context, model)
    rows, counts = _rows(context, model)
    with history.start(attempts, day, context.run) as run_log:
        drift_result = drift.measure(rows, reference, model, pipeline.monitoring.drift)
        in_time = rows[rows[DAY] <= context.monitoring_window.labelled_until]
        verdict = assess(
            pipeline,
            drift_result,
            labelled=features.labelled(in_time, model),
            rows=rows,
            held_out=_held_out(context, training_run),
            latency_ms=_latency(context),
            labels=counts.numbers() if counts else {},
        )
        run_log.log_dataset(
            name=context.table.name,
            commit=spec.commit,
            source=context.table.uri(spec.commit),
            context="monitoring",
            rows=len(rows),
        )
        store(run_log, verdict, drift_result.html)
    return MeasureResult(run_id=run_log.id, link=run_log.link(Artifact.DRIFT_REPORT))


def _day(context: JobContext, training_run: Run) -> MonitoringDay:
    trained_until = training_run.data.tags.get(Tag.TRAINED_UNTIL)
    if trained_until is None:
        raise Absent(f"run {training_run.info.run_id!r} has no tag {Tag.TRAINED_UNTIL}: another tool made it")
    return MonitoringDay(
        as_of=context.until, version=context.version, trained_until=date.fromisoformat(trained_until)
    )


def _rows(context: JobContext, model: Model) -> LabelledFrame:
    """Return the rows of the window as the champion saw them, with their predictions."""
    fairness, commit = context.pipeline.monitoring.fairness, context.spec.commit
    columns = features.columns(model, *([fairness.column] if fairness else []))
    found = context.predictions.join(
        context.monitoring_window,
        columns,
        commit=commit,
        predictions_commit=context.spec.predictions_commit or commit,
    )
    rows = found.rows
    rows[model.features.all] = features.matrix(rows, model)
    rows[model.target] = features.labels(rows, model)
    return found


def _reference(context: JobContext, model: Model) -> pd.DataFrame:
    """Return what the champion learned from; raises Absent if it is gone, BadData if it cannot be used."""
    import pandas as pd
    import pyarrow as pa

    run = context.champion_run
    content = run.download_artifact(Artifact.REFERENCE)
    try:
        reference = pd.read_parquet(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:  # OSError: a page cannot be decompressed
        raise BadData(
            f"{Artifact.REFERENCE} of run {run.id!r} is damaged ({type(error).__name__})"
        ) from error
    if missing := [name for name in drift.columns(model) if name not in reference.columns]:
        names = ", ".join(map(quote, missing))
        raise BadData(f"{Artifact.REFERENCE} of run {run.id!r} has no column {names}, which is needed today")
    return reference


def _held_out(context: JobContext, training_run: Run) -> float | None:
    """Return the champion's metric at training, None if it is not monitored or not known."""
    performance = context.pipeline.monitoring.performance
    if performance is None:
        return None
    value = training_run.data.metrics.get(held_out_metric(performance.metric))
    return None if value is None else float(value)


def _latency(context: JobContext) -> float | None:
    """Return the latency that `score` left on its commit; None if it had nothing to score."""
    commit = context.spec.predictions_commit or context.spec.commit
    latency = context.lake.get_commit(commit).metadata.get(LATENCY)
    return None if latency is None else float(latency)
