"""The operator that runs a job in the task's own process, and what the operators of all runtimes share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Context

from include.exceptions import MillraceError, Transient
from include.free_space import shortage
from include.jobs.env import variables
from include.jobs.spec import Job, JobSpec
from include.settings import settings
from millrace.hooks.lakefs import LakeFSHook
from millrace.hooks.mlflow import MlflowHook
from millrace.operators.pipeline import PipelineMixin, PipelineOperator
from millrace.run import identity
from millrace.runtimes.results import too_long
from millrace.ui.links import ReportLink


class JobMixin(PipelineMixin):
    """A job of a pipeline, with templates for the fields of its `JobSpec`.

    :param job: the job's name.
    :param job_args: templates for the remaining fields of `JobSpec`; a field of objects is given as JSON.
    """

    def __init__(self, *, job: str, job_args: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.job_args = job_args

    def too_late(self) -> MillraceError:
        return too_long(self.pipeline_name, self.seconds)

    def job_spec(self, context: Context) -> JobSpec:
        """Return the job's specification; its key is the same for every try of this run."""
        fields: dict[str, Any] = dict(self.job_args)
        if "params" in fields:
            fields["params"] = json.loads(fields["params"])
        return JobSpec(
            job=Job(self.job),
            pipeline_name=self.pipeline_name,
            run_key=f"{identity(context).key}/{self.job}",
            **fields,
        )

    def job_variables(self, context: Context) -> dict[str, str]:
        """Return the specification and the services as a container's variables, secrets among them."""
        return variables(
            self.job_spec(context),
            LakeFSHook(self.lakefs_conn_id).container_connection,
            MlflowHook(self.mlflow_conn_id).container_connection,
            identity(context),
            seconds=self.seconds,
        )

    def require_space(self) -> None:
        """Raise Transient if a training would leave too little space on the disk of MLflow's artifacts.

        Only a training: what it is followed by writes little, and other jobs need a lake that takes data.
        """
        folder = MlflowHook(self.mlflow_conn_id).artifacts if self.job == Job.TRAIN else None
        if folder is None:
            return
        if reason := shortage("MLflow", folder, settings().min_free, what="a new training"):
            raise Transient(reason)

    @property
    def seconds(self) -> int:
        """The time limit of a container in seconds; 0: none."""
        limit: timedelta | None = getattr(self, "execution_timeout", None)
        return int(limit.total_seconds()) if limit else 0


class ProcessJobOperator(JobMixin, PipelineOperator):
    """Runs a job of `include.jobs` in this process, already isolated and warm; returns the job's result."""

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "job_args")
    operator_extra_links = (ReportLink(),)

    # Airflow wraps only a constructor that the operator's own class defines (BaseOperatorMeta).
    def __init__(self, *, job: str, job_args: dict[str, str], **kwargs: Any) -> None:
        super().__init__(job=job, job_args=job_args, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the job."""
        from include.jobs.context import Services
        from include.jobs.runner import run_job

        self.require_space()
        services = Services(
            lake=LakeFSHook(self.lakefs_conn_id).connection,
            tracking=self.connect_tracking(),
            pipelines=self.folder.parent,
        )
        return run_job(self.job_spec(context), services, identity(context)).to_json()
