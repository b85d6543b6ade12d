"""Running a job: the same function behind every runtime.

A job reads the lake at one commit and MLflow by its URI, works, and returns small JSON. It may be killed
at any line and run again: what an earlier try finished is found by the run key and not repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from include.contract import loader
from include.jobs.context import JobContext, Services
from include.jobs.evaluate import evaluate
from include.jobs.measure import measure
from include.jobs.score import score
from include.jobs.spec import Job, JobSpec
from include.jobs.train import train
from include.run_identity import RunIdentity

log = logging.getLogger(__name__)

_JOBS: dict[Job, Callable[[JobContext], dict[str, Any]]] = {
    Job.TRAIN: train,
    Job.EVALUATE: evaluate,
    Job.SCORE: score,
    Job.MEASURE: measure,
}


def run(job: JobSpec, services: Services, identity: RunIdentity) -> dict[str, Any]:
    """Run a job; its small JSON result. Raises what include.exceptions names."""
    folder = services.pipelines / job.pipeline
    work = JobContext(job=job, spec=loader.load(folder), folder=folder, services=services, run=identity)
    log.info("job %s of %s at %s until %s", job.job, job.pipeline, job.commit[:12], job.until)
    return _JOBS[job.job](work)
