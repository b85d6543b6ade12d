"""The jobs of the train DAG: fit a candidate, and score it and the champion on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.jobs.context import JobContext
from include.modelling import training
from include.tracking.tags import Tag

if TYPE_CHECKING:
    pass


def train(work: JobContext) -> dict[str, Any]:
    """Fit on the window that ends with `until`, and log everything to one MLflow run; `{run_id, link}`."""
    job, trainings = work.job, work.trainings
    done = trainings.finished(job.run_key)
    if done is not None:
        return {"run_id": done.info.run_id, "link": trainings.link(done.info.run_id)}
    tags = {Tag.COMMIT: job.commit, Tag.UNTIL: job.until, **work.run.tags()}
    with trainings.start(job.run_key, name=f"until {job.until}", tags=tags) as run:
        training.fit(
            work.spec,
            work.table,
            work.training_window,
            commit=job.commit,
            folder=work.folder,
            params=job.params,
            run=run,
        )
    return {"run_id": run.id, "link": run.link()}
