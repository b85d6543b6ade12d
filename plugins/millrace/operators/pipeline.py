"""The base of operators that work for one pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.lake.client import Lake
from include.lake.table import Table
from include.settings import settings
from millrace.hooks.lakefs import LakeFSHook
from millrace.hooks.mlflow import MlflowHook


class PipelineMixin:
    """What operators and sensors of a pipeline share: its contract, its lake, its MLflow.

    The contract is read when the task runs, so a DAG holds nothing but the pipeline's name.
    """

    pipeline: str
    lakefs_conn_id: str = LakeFSHook.default_conn_name
    mlflow_conn_id: str = MlflowHook.default_conn_name

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""
        return settings().pipelines / self.pipeline

    def spec(self) -> Pipeline:
        """The pipeline's contract; raises PipelineInvalid."""
        return loader.load(self.folder)

    def lake(self, spec: Pipeline) -> Lake:
        """The repository of the pipeline's table."""
        return LakeFSHook(self.lakefs_conn_id).lake(spec.lake.repository)

    @property
    def tracking_uri(self) -> str:
        """Where MLflow is; this process is logged in there."""
        server = MlflowHook(self.mlflow_conn_id).connection
        server.log_in()
        return server.uri

    def table(self, spec: Pipeline) -> Table:
        """The pipeline's table."""
        return Table(self.lake(spec), spec.lake.table)


class PipelineOperator(PipelineMixin, BaseOperator):
    """Base of the operators that work for one pipeline, named by `pipeline`."""

    template_fields: Sequence[str] = ("pipeline",)
    ui_color = "#dfe7fd"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
