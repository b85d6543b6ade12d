"""From a job to the operator that runs it, by the pipeline's runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.exceptions import Misconfigured
from include.jobs.spec import Job
from include.settings import settings
from include.spec import Pipeline, Runtime
from millrace.operators.job import ProcessJobOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def _process(_: Pipeline, **task: Any) -> BaseOperator:
    return ProcessJobOperator(**task)


def _docker(spec: Pipeline, **task: Any) -> BaseOperator:
    # Imported here: a deployment without containers does not pay for the provider.
    from millrace.engine import gpus
    from millrace.operators.docker_job import DockerJobOperator

    deployment, limits = settings(), spec.training.resources
    return DockerJobOperator(
        **task,
        image=spec.training.image or deployment.job_image,
        pull=deployment.image_pull,
        docker_conn_id=deployment.registry_conn_id or None,
        network_mode=deployment.job_network,
        cpus=limits.cpu,
        mem_limit=limits.memory_bytes,
        # The libraries count the machine's cores; threads beyond the limit would only wait for each other.
        environment=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), f"{max(1, int(limits.cpu))}"),
        device_requests=gpus(limits.gpu),
    )


_RUNTIMES: dict[Runtime, Callable[..., BaseOperator]] = {Runtime.PROCESS: _process, Runtime.DOCKER: _docker}


def job_operator(job: Job, pipeline: Pipeline, **arguments: str) -> BaseOperator:
    """The task that runs a job of a pipeline; `arguments` are templates for the fields of `JobSpec`."""
    runtime = pipeline.training.runtime
    runtime = settings().runtime if runtime is Runtime.AUTO else runtime
    if runtime not in _RUNTIMES:
        allowed = ", ".join(repr(name.value) for name in _RUNTIMES)
        raise Misconfigured(
            f"runtime {runtime.value!r} of {pipeline.name!r} is none of {allowed}; set RUNTIME"
        )
    return _RUNTIMES[runtime](
        pipeline,
        task_id=job.value,
        pipeline=pipeline.name,
        job=job.value,
        arguments=arguments,
        execution_timeout=pipeline.training.timeout,
    )
