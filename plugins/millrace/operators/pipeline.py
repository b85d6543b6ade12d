"""The base of operators that work for one pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import BaseOperatorMeta

from include.contract import loader
from include.contract.feed import Stage
from include.contract.pipeline import Pipeline
from include.governance.ledger import Ledger
from include.lake.client import Lake
from include.lake.table import Table
from include.settings import settings
from include.tracking.names import ledger_runs
from include.tracking.registry import Registry
from include.tracking.server import TrackingServer
from millrace.hooks.lakefs import LakeFSHook
from millrace.hooks.mlflow import MlflowHook
from millrace.operators.failures import FailureMixin


class PipelineMixin(FailureMixin, metaclass=BaseOperatorMeta):
    """A pipeline by its name, with the collaborators that its tasks use: lake, MLflow, registry, ledger.

    The contract is read when the task runs, so that a DAG holds nothing but the pipeline's name. The
    metaclass is Airflow's: it prepares every `__init__` in an operator's hierarchy, and fails where one is
    left out.

    :param pipeline_name: the pipeline's name.
    :param lakefs_conn_id: the Airflow connection of the lake.
    :param mlflow_conn_id: the Airflow connection of MLflow.
    """

    def __init__(
        self,
        *,
        pipeline_name: str,
        lakefs_conn_id: str = LakeFSHook.default_conn_name,
        mlflow_conn_id: str = MlflowHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_name = pipeline_name
        self.lakefs_conn_id = lakefs_conn_id
        self.mlflow_conn_id = mlflow_conn_id

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""
        return settings().pipelines / self.pipeline_name

    def load_pipeline(self) -> Pipeline:
        """Read the pipeline's contract; raises PipelineInvalid."""
        return loader.load(self.folder)

    def connect_lake(self, pipeline: Pipeline) -> Lake:
        """Return the repository of the pipeline's table."""
        return LakeFSHook(self.lakefs_conn_id).lake(pipeline.lake.repository)

    def connect_table(self, pipeline: Pipeline, stage: Stage = Stage.INGEST) -> Table:
        """Return the pipeline's table that a stage brings rows to."""
        feed = pipeline.feed(stage)
        return Table(self.connect_lake(pipeline), feed.table, feed.since)

    def connect_tracking(self) -> TrackingServer:
        """Return MLflow, and log this process in there."""
        return MlflowHook(self.mlflow_conn_id).get_conn()

    def connect_registry(self) -> Registry:
        """Return the model registry."""
        return Registry(self.connect_tracking())

    def connect_ledger(self) -> Ledger:
        """Return the pipeline's ledger."""
        return Ledger(ledger_runs(self.connect_tracking(), self.pipeline_name))


class PipelineOperator(PipelineMixin, BaseOperator):
    """Base of the operators that work for one pipeline."""

    template_fields: Sequence[str] = ("pipeline_name",)
    ui_color = "#dfe7fd"

    # Airflow wraps only a constructor that the operator's own class defines (BaseOperatorMeta).
    def __init__(self, *, pipeline_name: str, **kwargs: Any) -> None:
        super().__init__(pipeline_name=pipeline_name, **kwargs)


class FeedOperator(PipelineOperator):
    """Base of the operators that work on what one ingestion of a pipeline brings.

    :param stage: the ingestion: of rows or of labels.
    """

    def __init__(self, *, stage: str = Stage.INGEST.value, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage

    @property
    def feed_stage(self) -> Stage:
        """The ingestion."""
        return Stage(self.stage)

    def feed_table(self, pipeline: Pipeline) -> Table:
        """Return the table that the ingestion brings rows to."""
        return self.connect_table(pipeline, self.feed_stage)
