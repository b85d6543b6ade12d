"""Running a job: the same function behind every runtime.

A job reads the lake at one commit and MLflow by its URI, works, and returns small JSON. It may be killed
at any line and run again: what an earlier try finished is found by the run key and not repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include import catalog
from include.identity import RunIdentity
from include.jobs.spec import Job, JobSpec
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.spec import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a job may reach: the lake, MLflow, and the folder of the pipelines."""

    lake: LakeConnection
    tracking_uri: str
    pipelines: Path


@dataclass(frozen=True, kw_only=True)
class Work:
    """Everything that a job has at hand."""

    job: JobSpec
    spec: Pipeline
    folder: Path
    services: Services
    run: RunIdentity

    @property
    def lake(self) -> Lake:
        """The pipeline's repository."""
        return Lake(self.services.lake, self.spec.lake.repository)

    @property
    def table(self) -> Table:
        """The pipeline's table."""
        return Table(self.lake, self.spec.lake.table)


def run(job: JobSpec, services: Services, identity: RunIdentity) -> dict[str, Any]:
    """Run a job; its small JSON result. Raises what include.exceptions names."""
    folder = services.pipelines / job.pipeline
    work = Work(job=job, spec=catalog.load(folder), folder=folder, services=services, run=identity)
    log.info("job %s of %s at %s until %s", job.job, job.pipeline, job.commit[:12], job.until)
    return _function(job.job)(work)


def _function(job: Job) -> Callable[[Work], dict[str, Any]]:
    from include.jobs import model, night

    return {
        Job.TRAIN: model.train,
        Job.EVALUATE: model.evaluate,
        Job.SCORE: night.score,
        Job.MEASURE: night.measure,
    }[job]
