"""The jobs of the monitor DAG: let the champion score what is new, and compare that with what it knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.contract.model import PREDICTION
from include.contract.windows import MonitoringWindow
from include.jobs.context import JobContext
from include.lake.client import LakeObject
from include.lake.merge import find_merge_of_run, publish
from include.lake.table import Table, checksum
from include.modelling import scorer
from include.modelling.metrics import LATENCY, latency_ms
from include.modelling.scorer import Scorer

if TYPE_CHECKING:
    import pandas as pd


def score(work: JobContext) -> dict[str, Any]:
    """Write the champion's predictions for the days of the window that lack them; `{commit, days, rows}`.

    A day's file is row-aligned with its partition and named after the champion's version and the
    partition's content, so corrected data and a new champion are scored anew, and nothing twice. All
    days become visible with one merge.
    """
    missing = _unscored(work, work.job.commit)
    if not missing:
        return {"commit": work.job.commit, "days": 0, "rows": 0}
    branch, into = f"score-{work.job.until}-{work.run.short_hash}", work.spec.lake.branch
    done = find_merge_of_run(work.lake, into, branch, work.run)
    kept = done.metadata if done and not _unscored(work, done.id) else None
    metadata = kept or _write(work, branch, missing)
    published = publish(work.lake, branch, into=into, run=work.run, metadata=metadata)
    return {"commit": published.commit, "days": len(missing), "rows": int(metadata["rows"])}


def predictions_of(work: JobContext) -> Table:
    """The table of a pipeline's predictions."""
    return Table(work.lake, work.spec.predictions)


def _write(work: JobContext, branch: str, missing: dict[date, str]) -> dict[str, str]:
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
    work.lake.commit(branch, message, {**work.run.metadata(), **metadata})
    return metadata


def _unscored(work: JobContext, at: str) -> dict[date, str]:
    """The days of the window whose answers by the champion are not there at a commit, and where they go."""
    window = MonitoringWindow.until(date.fromisoformat(work.job.until), work.spec.monitoring)
    days = window.first, window.last
    present = {item.path for items in predictions_of(work).parts(at, *days).values() for item in items}
    wanted = {
        day: path_of(work, day, items) for day, items in work.table.parts(work.job.commit, *days).items()
    }
    return {day: path for day, path in wanted.items() if path not in present}


def path_of(work: JobContext, day: date, partition: Sequence[LakeObject]) -> str:
    return f"{predictions_of(work).prefix(day)}v{work.job.version}-{checksum(partition)}.parquet"


def _champion(work: JobContext) -> Scorer:
    return scorer.load(work.spec, work.folder, work.services.tracking_uri, work.champion_run)


def _columns(work: JobContext, scorer: Scorer) -> list[str]:
    return list(dict.fromkeys([work.spec.model.time, *scorer.model.features.all]))


def _predictions(work: JobContext, scorer: Scorer, rows: pd.DataFrame, scratch: Path) -> Path:
    file = scratch / "predictions.parquet"
    rows[[work.spec.model.time]].assign(**{PREDICTION: scorer.predict(rows)}).to_parquet(file, index=False)
    return file
