"""The job `measure`: compare what the champion saw with what it learned from."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING, Any

from include.contract.model import PREDICTION, Model
from include.contract.windows import MonitoringWindow
from include.exceptions import Conflict, NotEnoughData
from include.jobs.context import JobContext
from include.jobs.score import path_of
from include.modelling import features, scorer, training
from include.modelling.metrics import LATENCY, held_out_metric
from include.modelling.training import REFERENCE
from include.monitoring import drift, history
from include.monitoring.verdict import assess, store
from include.tracking.runs import Experiment
from include.tracking.tags import Tag

if TYPE_CHECKING:
    import pandas as pd


def measure(work: JobContext) -> dict[str, Any]:
    """Compare the window with what the champion learned from; `{run_id, link}`.

    One MLflow run holds the numbers and the report. Raises NotEnoughData if the window is empty.
    """
    night, version = date.fromisoformat(work.job.until), int(work.job.version or 0)
    nights = history.experiment(work.spec, work.services.tracking_uri)
    key = f"{work.job.run_key}/{work.job.commit}"  # another commit is other data, to be measured anew
    done = nights.finished(key)
    if done is not None:
        return {"run_id": done.info.run_id, "link": nights.link(done.info.run_id, history.REPORT)}
    window = MonitoringWindow.until(night, work.spec.monitoring)
    trained = work.champion_run
    model = scorer.trained_on(work.spec, work.services.tracking_uri, trained)
    rows = _scored(work, window, model)
    labelled = features.labelled(rows[rows["_day"] <= window.labelled], model)
    tags = {**history.tags(night, version, _learned(work, trained)), **work.run.tags()}
    with nights.start(key, name=f"{night}", tags=tags) as run:
        reference = _reference(work, trained)
        drifted = drift.measure(rows, reference, model, work.spec.monitoring.drift)
        verdict = assess(work.spec, drifted, labelled, rows, _held_out(work, trained))
        verdict.numbers.update(_latency(work))
        run.dataset(
            name=work.spec.lake.table,
            commit=work.job.commit,
            source=f"lakefs://{work.spec.lake.repository}/{work.job.commit}/{work.spec.lake.table}/",
            context="monitoring",
            rows=len(rows),
        )
        store(run, verdict, drifted)
    return {"run_id": run.id, "link": run.link(history.REPORT)}


def _learned(work: JobContext, trained: str) -> date:
    found = work.trainings.run(trained)
    return date.fromisoformat(found.data.tags[Tag.UNTIL])


def _scored(work: JobContext, window: MonitoringWindow, model: Model) -> pd.DataFrame:
    """The rows of the window as the champion saw them, with its predictions and, as `_day`, their day."""
    import pandas as pd

    # Two commits: between them somebody may have corrected a day that was scored as it was before.
    scored = work.job.scored or work.job.commit
    fairness = work.spec.monitoring.fairness
    columns = features.columns(model, *([fairness.column] if fairness else []))
    parts = work.table.parts(work.job.commit, window.first, window.last)
    found = []
    for day, rows in work.table.partitions(work.job.commit, window.first, window.last, columns):
        path = path_of(work, day, parts[day])
        answers = pd.read_parquet(io.BytesIO(work.lake.download(scored, path)))
        if len(answers) != rows.num_rows:
            raise Conflict(
                f"{path!r} has {len(answers)} rows, its partition {rows.num_rows}; run score again"
            )
        found.append(rows.to_pandas().assign(**{PREDICTION: answers[PREDICTION], "_day": day}))
    if not found:
        raise NotEnoughData(
            f"no partition from {window.first} to {window.last} at {work.job.commit}; "
            f"run {work.spec.name}.ingest for these days"
        )
    rows = pd.concat(found, ignore_index=True)
    rows[model.features.all] = features.matrix(rows, model)
    rows[model.target] = features.labels(rows, model)
    return rows


def _reference(work: JobContext, training_run: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(work.trainings.log(training_run).read(REFERENCE)))


def _held_out(work: JobContext, training_run: str) -> float | None:
    performance = work.spec.monitoring.performance
    if performance is None:
        return None
    found = work.trainings.run(training_run).data.metrics
    value = found.get(held_out_metric(performance.metric))
    return None if value is None else float(value)


def _latency(work: JobContext) -> dict[str, float]:
    """The time for one row that `score` noted on its commit; nothing if it had nothing to score."""
    noted = work.lake.get_commit(work.job.commit).metadata.get(LATENCY)
    return {} if noted is None else {LATENCY: float(noted)}


def _trainings(work: JobContext) -> Experiment:
    return training.experiment(work.spec, work.services.tracking_uri)
