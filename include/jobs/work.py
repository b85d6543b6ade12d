"""What a job has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from include.identity import RunIdentity
from include.jobs.spec import JobSpec
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.spec import Pipeline


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a job may reach: the lake, MLflow, and the folder of the pipelines."""

    lake: LakeConnection
    tracking_uri: str
    pipelines: Path


@dataclass(frozen=True, kw_only=True)
class Work:
    """One job to do: what it is told, the contract and folder of its pipeline, services, and for whom."""

    job: JobSpec
    spec: Pipeline
    folder: Path
    services: Services
    run: RunIdentity

    @cached_property
    def lake(self) -> Lake:
        """The pipeline's repository."""
        return Lake(self.services.lake, self.spec.lake.repository)

    @cached_property
    def table(self) -> Table:
        """The pipeline's table."""
        return Table(self.lake, self.spec.lake.table)
