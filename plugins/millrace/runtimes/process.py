"""The operator that runs a job in the task's own process, and what the operators of all runtimes share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Context

from include.jobs.env import variables
from include.jobs.spec import Job, JobSpec
from millrace.hooks.lakefs import LakeFSHook
from millrace.hooks.mlflow import MlflowHook
from millrace.operators.pipeline import PipelineMixin, PipelineOperator
from millrace.run import identity
from millrace.ui.links import ReportLink


class JobMixin(PipelineMixin):
    """What a task that runs a job knows: which one, and templates for the fields of its `JobSpec`."""

    job: str
    told: dict[str, str]

    def job_spec(self, context: Context) -> JobSpec:
        """What the job is told; its key is the same for every try of this run."""
        told: dict[str, Any] = dict(self.told)
        if "params" in told:
            told["params"] = json.loads(told["params"])
        return JobSpec(
            job=Job(self.job),
            pipeline=self.pipeline,
            run_key=f"{identity(context).key}/{self.job}",
            **told,
        )

    def told_variables(self, context: Context) -> dict[str, str]:
        """The same for a container, as variables; secrets among it."""
        return variables(
            self.job_spec(context),
            LakeFSHook(self.lakefs_conn_id).container_connection,
            MlflowHook(self.mlflow_conn_id).container_connection,
            identity(context),
            seconds=self.seconds,
        )

    @property
    def seconds(self) -> int:
        """How long a container may take; 0: for ever."""
        limit: timedelta | None = getattr(self, "execution_timeout", None)
        return int(limit.total_seconds()) if limit else 0


class ProcessJobOperator(JobMixin, PipelineOperator):
    """Runs a job of `include.jobs` in this process, already isolated and warm; returns its small JSON result.

    :param job: which job.
    :param told: templates for the remaining fields of `JobSpec`; a field of objects is given as JSON.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "told")
    operator_extra_links = (ReportLink(),)

    def __init__(self, *, job: str, told: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.told = told

    def execute(self, context: Context) -> dict[str, Any]:
        from include.jobs.context import Services
        from include.jobs.runner import run

        services = Services(
            lake=LakeFSHook(self.lakefs_conn_id).connection,
            tracking_uri=self.tracking_uri,
            pipelines=self.folder.parent,
        )
        return run(self.job_spec(context), services, identity(context))
