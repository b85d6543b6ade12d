"""Run a job: the same function behind every runtime.

A job reads the lake at one commit and MLflow, works, and returns a small record. It may be killed at any
line and run again: what an earlier try finished is found by the run key and not repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from include.contract import loader
from include.jobs.context import JobContext, Services
from include.jobs.evaluate import evaluate
from include.jobs.measure import measure
from include.jobs.score import score
from include.jobs.spec import Job, JobSpec
from include.jobs.train import train
from include.record import Record
from include.run_identity import RunIdentity

log = logging.getLogger(__name__)

_JOBS: dict[Job, Callable[[JobContext], Record]] = {
    Job.TRAIN: train,
    Job.EVALUATE: evaluate,
    Job.SCORE: score,
    Job.MEASURE: measure,
}


def run_job(spec: JobSpec, services: Services, run: RunIdentity) -> Record:
    """Run a job, and return its result (`include.jobs.results`); raises the errors of include.exceptions."""
    folder = services.pipelines / spec.pipeline_name
    context = JobContext(spec=spec, pipeline=loader.load(folder), folder=folder, services=services, run=run)
    log.info("job %s of %s at %s until %s", spec.job, spec.pipeline_name, spec.commit[:12], spec.until)
    return _JOBS[spec.job](context)
