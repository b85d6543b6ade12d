"""The jobs of the monitor DAG: let the champion score what is new, and compare that with what it knows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include import drift, features, monitoring, scoring, training
from include.evaluation import LATENCY, latency_ms
from include.exceptions import Conflict, NotEnoughData
from include.jobs.model import held_out_metric
from include.jobs.work import Work
from include.lake.client import LakeObject
from include.lake.publish import earlier, publish
from include.lake.table import Table, checksum
from include.monitoring import Window
from include.registry import Registry
from include.scoring import Scorer
from include.spec import PREDICTION, Model
from include.tags import Tag
from include.tracking import Experiment
from include.training import REFERENCE

if TYPE_CHECKING:
    import pandas as pd


def score(work: Work) -> dict[str, Any]:
    """Write the champion's predictions for the days of the window that lack them; `{commit, days, rows}`.

    A day's file is row-aligned with its partition and named after the champion's version and the
    partition's content, so corrected data and a new champion are scored anew, and nothing twice. All
    days become visible with one merge.
    """
    missing = _unscored(work, work.job.commit)
    if not missing:
        return {"commit": work.job.commit, "days": 0, "rows": 0}
    branch, into = f"score-{work.job.until}-{work.run.short_hash}", work.spec.lake.branch
    done = earlier(work.lake, into, branch, work.run)
    kept = done.metadata if done and not _unscored(work, done.id) else None
    metadata = kept or _write(work, branch, missing)
    published = publish(work.lake, branch, into=into, run=work.run, metadata=metadata)
    return {"commit": published.commit, "days": len(missing), "rows": int(metadata["rows"])}


def measure(work: Work) -> dict[str, Any]:
    """Compare the window with what the champion learned from; `{run_id, link}`.

    One MLflow run holds the numbers and the report. Raises NotEnoughData if the window is empty.
    """
    night, version = date.fromisoformat(work.job.until), int(work.job.version or 0)
    nights = monitoring.experiment(work.spec, work.services.tracking_uri)
    key = f"{work.job.run_key}/{work.job.commit}"  # another commit is other data, to be measured anew
    done = nights.finished(key)
    if done is not None:
        return {"run_id": done.info.run_id, "link": nights.link(done.info.run_id, monitoring.REPORT)}
    window = Window.until(night, work.spec.monitoring)
    trained = _training_run(work)
    model = scoring.trained_on(work.spec, work.services.tracking_uri, trained)
    rows = _scored(work, window, model)
    labelled = features.labelled(rows[rows["_day"] <= window.labelled], model)
    tags = {**monitoring.tags(night, version, _learned(work, trained)), **work.run.tags()}
    with nights.start(key, name=f"{night}", tags=tags) as run:
        reference = _reference(work, trained)
        drifted = drift.measure(rows, reference, model, work.spec.monitoring.drift)
        verdict = monitoring.judge(work.spec, drifted, labelled, rows, _held_out(work, trained))
        verdict.numbers.update(_latency(work))
        run.dataset(
            name=work.spec.lake.table,
            commit=work.job.commit,
            source=f"lakefs://{work.spec.lake.repository}/{work.job.commit}/{work.spec.lake.table}/",
            context="monitoring",
            rows=len(rows),
        )
        monitoring.store(run, verdict, drifted)
    return {"run_id": run.id, "link": run.link(monitoring.REPORT)}


def predictions_of(work: Work) -> Table:
    """The table of a pipeline's predictions."""
    return Table(work.lake, work.spec.predictions)


def _write(work: Work, branch: str, missing: dict[date, str]) -> dict[str, str]:
    """Score some days into a branch, and commit; what the commit says of it."""
    scorer, rows, latency = _champion(work), 0, 0.0
    work.lake.create_branch(branch, work.job.commit)
    with TemporaryDirectory(prefix="millrace-") as scratch:
        for day, path in missing.items():
            frame = work.table.frame(work.job.commit, day, day, _columns(work, scorer))
            latency = latency or latency_ms(scorer.estimator, scorer.matrix(frame))
            work.lake.upload(branch, path, _predictions(work, scorer, frame, Path(scratch)))
            rows += len(frame)
    metadata = {
        "pipeline": work.spec.name,
        "version": str(work.job.version),
        "rows": str(rows),
        LATENCY: f"{latency:.3f}",
    }
    message = f"{work.run.dag_id}: score until {work.job.until}"
    work.lake.save(branch, message, {**work.run.metadata(), **metadata})
    return metadata


def _unscored(work: Work, at: str) -> dict[date, str]:
    """The days of the window whose answers by the champion are not there at a commit, and where they go."""
    window = Window.until(date.fromisoformat(work.job.until), work.spec.monitoring)
    days = window.first, window.last
    present = {item.path for items in predictions_of(work).parts(at, *days).values() for item in items}
    wanted = {day: _path(work, day, items) for day, items in work.table.parts(work.job.commit, *days).items()}
    return {day: path for day, path in wanted.items() if path not in present}


def _path(work: Work, day: date, partition: Sequence[LakeObject]) -> str:
    return f"{predictions_of(work).prefix(day)}v{work.job.version}-{checksum(partition)}.parquet"


def _training_run(work: Work) -> str:
    found = Registry(work.services.tracking_uri).version(work.spec.name, int(work.job.version or 0))
    return str(found.run_id)


def _learned(work: Work, trained: str) -> date:
    found = _trainings(work).run(trained)
    return date.fromisoformat(found.data.tags[Tag.UNTIL])


def _champion(work: Work) -> Scorer:
    return scoring.load(work.spec, work.folder, work.services.tracking_uri, _training_run(work))


def _columns(work: Work, scorer: Scorer) -> list[str]:
    return list(dict.fromkeys([work.spec.model.time, *scorer.model.features.all]))


def _predictions(work: Work, scorer: Scorer, rows: pd.DataFrame, scratch: Path) -> Path:
    file = scratch / "predictions.parquet"
    rows[[work.spec.model.time]].assign(**{PREDICTION: scorer.predict(rows)}).to_parquet(file, index=False)
    return file


def _scored(work: Work, window: Window, model: Model) -> pd.DataFrame:
    """The rows of the window as the champion saw them, with its predictions and, as `_day`, their day."""
    import pandas as pd

    # Two commits: between them somebody may have corrected a day that was scored as it was before.
    scored = work.job.scored or work.job.commit
    fairness = work.spec.monitoring.fairness
    columns = features.columns(model, *([fairness.column] if fairness else []))
    parts = work.table.parts(work.job.commit, window.first, window.last)
    found = []
    for day, rows in work.table.partitions(work.job.commit, window.first, window.last, columns):
        path = _path(work, day, parts[day])
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


def _reference(work: Work, training_run: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(_trainings(work).log(training_run).read(REFERENCE)))


def _held_out(work: Work, training_run: str) -> float | None:
    performance = work.spec.monitoring.performance
    if performance is None:
        return None
    found = _trainings(work).run(training_run).data.metrics
    value = found.get(held_out_metric(performance.metric))
    return None if value is None else float(value)


def _latency(work: Work) -> dict[str, float]:
    """The time for one row that `score` noted on its commit; nothing if it had nothing to score."""
    noted = work.lake.commit(work.job.commit).metadata.get(LATENCY)
    return {} if noted is None else {LATENCY: float(noted)}


def _trainings(work: Work) -> Experiment:
    return training.experiment(work.spec, work.services.tracking_uri)
