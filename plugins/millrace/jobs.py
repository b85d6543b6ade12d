"""From a job to the operator that runs it, by the pipeline's runtime."""

from __future__ import annotations

from airflow.sdk import BaseOperator

from include.exceptions import Misconfigured
from include.jobs.spec import Job
from include.settings import settings
from include.spec import Pipeline, Runtime
from millrace.operators.job import ProcessJobOperator

_OPERATORS: dict[Runtime, type[BaseOperator]] = {Runtime.PROCESS: ProcessJobOperator}


def job_operator(job: Job, pipeline: Pipeline, **arguments: str) -> BaseOperator:
    """The task that runs a job of a pipeline; `arguments` are templates for the fields of `JobSpec`."""
    runtime = pipeline.training.runtime
    runtime = settings().runtime if runtime is Runtime.AUTO else runtime
    if runtime not in _OPERATORS:
        allowed = ", ".join(repr(name.value) for name in _OPERATORS)
        raise Misconfigured(
            f"runtime {runtime.value!r} of {pipeline.name!r} is none of {allowed}; set RUNTIME"
        )
    return _OPERATORS[runtime](
        task_id=job.value,
        pipeline=pipeline.name,
        job=job.value,
        arguments=arguments,
        execution_timeout=pipeline.training.timeout,
    )
