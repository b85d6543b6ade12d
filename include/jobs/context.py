"""The context of a job: its specification, its pipeline, and the services that it may use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from include.contract.pipeline import Pipeline
from include.contract.windows import MonitoringWindow, TrainingWindow
from include.exceptions import Misconfigured
from include.jobs.spec import JobSpec
from include.lake.client import Lake
from include.lake.table import Table
from include.lake.types import LakeConnection
from include.modelling import scorer
from include.modelling.labels import Rows
from include.modelling.predictions import Predictions
from include.modelling.scorer import Scorer
from include.run_identity import RunIdentity
from include.tracking import names
from include.tracking.registry import Registry
from include.tracking.runs import Experiment, RunLog
from include.tracking.server import TrackingServer


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a job may use: the lake, MLflow, and the folder of the pipelines."""

    lake: LakeConnection
    tracking: TrackingServer
    pipelines: Path


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """One job to run: its specification, its pipeline with the folder, the services, and the Airflow run."""

    spec: JobSpec
    pipeline: Pipeline
    folder: Path
    services: Services
    run: RunIdentity

    @cached_property
    def lake(self) -> Lake:
        """The pipeline's repository."""
        return Lake(self.services.lake, self.pipeline.lake.repository)

    @cached_property
    def table(self) -> Table:
        """The pipeline's table."""
        return Table(self.lake, self.pipeline.lake.table, self.pipeline.since)

    @property
    def rows(self) -> Rows:
        """The pipeline's rows with their targets."""
        return Rows(self.pipeline, self.table)

    @cached_property
    def registry(self) -> Registry:
        """The model registry."""
        return Registry(self.services.tracking)

    @cached_property
    def training_runs(self) -> Experiment:
        """The experiment with the pipeline's trainings."""
        return names.training_runs(self.services.tracking, self.pipeline.name)

    @property
    def until(self) -> date:
        """The last day that counts."""
        return date.fromisoformat(self.spec.until)

    @property
    def training_window(self) -> TrainingWindow:
        """The days of the training that ends with the job's day."""
        return TrainingWindow.until(self.until, self.pipeline.training)

    @property
    def monitoring_window(self) -> MonitoringWindow:
        """The days of the monitoring run that ends with the job's day."""
        return MonitoringWindow.until(self.until, self.pipeline.monitoring)

    @cached_property
    def champion_run(self) -> RunLog:
        """The training run of the champion's version."""
        return self.training_run_of(self.version)

    def training_run_of(self, version: int) -> RunLog:
        """Return the training run of a version of the model; raises Absent."""
        return self.training_runs.open_run(self.registry.training_run_of(self.pipeline.name, version))

    def load_scorer(self, training_run: RunLog) -> Scorer:
        """Return the model that a training run stored; raises Absent, BadData or Misconfigured."""
        return scorer.load(self.pipeline, self.folder, training_run, self.registry)

    @property
    def version(self) -> int:
        """The champion's version; raises Misconfigured if the specification lacks it."""
        if self.spec.version is None:
            raise Misconfigured(
                f"the spec of {self.spec.job.value!r} lacks `version`; see docs/job-contract.md"
            )
        return self.spec.version

    @cached_property
    def predictions(self) -> Predictions:
        """The champion's predictions."""
        return Predictions(self.pipeline, self.table, self.version)
