"""The operator that runs a job in the task's own process, and what the operators of all runtimes share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from include.jobs.spec import Job, JobSpec
from millrace.hooks.lakefs import LakeFSHook
from millrace.links import ReportLink
from millrace.operators.pipeline import PipelineMixin, PipelineOperator
from millrace.run import identity


class JobMixin(PipelineMixin):
    """What a task that runs a job knows: which one, and templates for the fields of its `JobSpec`."""

    job: str
    arguments: dict[str, str]

    def job_spec(self, context: Context) -> JobSpec:
        """What the job is told; its key is the same for every try of this run."""
        arguments: dict[str, Any] = dict(self.arguments)
        if "params" in arguments:
            arguments["params"] = json.loads(arguments["params"])
        return JobSpec(
            job=Job(self.job),
            pipeline=self.pipeline,
            run_key=f"{identity(context).key}/{self.job}",
            **arguments,
        )


class ProcessJobOperator(JobMixin, PipelineOperator):
    """Runs a job of `include.jobs` in this process, already isolated and warm; returns its small JSON result.

    :param job: which job.
    :param arguments: templates for the remaining fields of `JobSpec`; a field of objects is given as JSON.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "arguments")
    operator_extra_links = (ReportLink(),)

    def __init__(self, *, job: str, arguments: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.arguments = arguments

    def execute(self, context: Context) -> dict[str, Any]:
        from include.jobs.run import run
        from include.jobs.work import Services

        services = Services(
            lake=LakeFSHook(self.lakefs_conn_id).connection,
            tracking_uri=self.tracking_uri,
            pipelines=self.folder.parent,
        )
        return run(self.job_spec(context), services, identity(context))
