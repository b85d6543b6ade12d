"""What a job has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from include.contract.pipeline import Pipeline
from include.contract.windows import TrainingWindow
from include.jobs.spec import JobSpec
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.modelling import training
from include.run_identity import RunIdentity
from include.tracking.registry import Registry
from include.tracking.runs import Experiment


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a job may reach: the lake, MLflow, and the folder of the pipelines."""

    lake: LakeConnection
    tracking_uri: str
    pipelines: Path


@dataclass(frozen=True, kw_only=True)
class JobContext:
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

    @cached_property
    def trainings(self) -> Experiment:
        """The pipeline's training runs."""
        return training.experiment(self.spec, self.services.tracking_uri)

    @property
    def training_window(self) -> TrainingWindow:
        """The days of the training that ends with the job's day."""
        return TrainingWindow.until(date.fromisoformat(self.job.until), self.spec.training)

    @cached_property
    def champion_run(self) -> str:
        """The training run of the champion's version."""
        found = Registry(self.services.tracking_uri).version(self.spec.name, int(self.job.version or 0))
        return str(found.run_id)
