"""The job `train`: fit a candidate on the window that ends with a day."""

from __future__ import annotations

from include.jobs.context import JobContext
from include.jobs.results import TrainResult
from include.modelling.training import fit
from include.tracking.tags import Tag, run_tags


def train(context: JobContext) -> TrainResult:
    """Fit on the training window, and log everything to one MLflow run; return an earlier finished one."""
    spec = context.spec
    attempts = context.training_runs.attempts(spec.run_key)
    if (finished := attempts.finished) is not None:
        return TrainResult(run_id=finished.id, link=finished.link())
    tags = {Tag.COMMIT: spec.commit, Tag.TRAINED_UNTIL: spec.until, **run_tags(context.run)}
    with attempts.start(name=f"until {spec.until}", tags=tags) as run_log:
        fit(
            context.pipeline,
            context.table,
            context.training_window,
            commit=spec.commit,
            folder=context.folder,
            params=spec.params,
            run_log=run_log,
        )
    return TrainResult(run_id=run_log.id, link=run_log.link())
