"""The factory of job tasks: the operator for a job, by the pipeline's runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.contract.pipeline import Pipeline
from include.contract.training import Resources
from include.exceptions import Misconfigured
from include.jobs.spec import Job
from include.settings import Pull, Runtime, settings
from millrace.runtimes.process import ProcessJobOperator

__all__ = ["Job", "job_operator"]

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def _process(_: Pipeline, **task: Any) -> BaseOperator:
    return ProcessJobOperator(**task)


def _docker(pipeline: Pipeline, **task: Any) -> BaseOperator:
    # Imported here: a deployment without containers does not pay for the provider.
    from millrace.runtimes.docker.engine import gpus
    from millrace.runtimes.docker.operator import DockerJobOperator

    given, limits = settings(), pipeline.training.resources
    return DockerJobOperator(
        **task,
        deployment=given.deployment,
        image=pipeline.training.image or given.jobs.image,
        pull=given.jobs.image_pull,
        docker_conn_id=given.jobs.registry_conn_id or None,
        network_mode=given.jobs.network,
        cpus=limits.cpu,
        mem_limit=limits.memory_bytes,
        environment=_threads(limits),
        device_requests=gpus(limits.gpu),
    )


def _kubernetes(pipeline: Pipeline, **task: Any) -> BaseOperator:
    # Imported here, as above.
    from kubernetes.client import V1LocalObjectReference, V1Toleration

    from millrace.runtimes.kubernetes.operator import KubernetesJobOperator
    from millrace.runtimes.kubernetes.pods import resources

    given, training = settings(), pipeline.training
    pull_secret = given.kubernetes.pull_secret
    return KubernetesJobOperator(
        **task,
        image=training.image or given.jobs.image,
        image_pull_policy=_PULL_POLICIES[given.jobs.image_pull],
        image_pull_secrets=[V1LocalObjectReference(name=pull_secret)] if pull_secret else None,
        kubernetes_conn_id=given.kubernetes.conn_id or None,
        namespace=given.kubernetes.namespace,
        service_account_name=given.kubernetes.service_account,
        secret=given.kubernetes.secret,
        environment=_threads(training.resources),
        container_resources=resources(training.resources),
        node_selector=dict(training.node_selector),
        tolerations=[V1Toleration(**one.model_dump()) for one in training.tolerations],
        schedule_timeout_seconds=given.kubernetes.start_seconds,
        startup_timeout_seconds=given.kubernetes.start_seconds,
        active_deadline_seconds=int(training.timeout.total_seconds()),
    )


def _threads(limits: Resources) -> dict[str, str]:
    # The libraries count the machine's cores; threads beyond the limit would only wait for each other.
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), f"{max(1, int(limits.cpu))}")


_PULL_POLICIES = {Pull.MISSING: "IfNotPresent", Pull.ALWAYS: "Always", Pull.NEVER: "Never"}
_RUNTIMES: dict[Runtime, Callable[..., BaseOperator]] = {
    Runtime.PROCESS: _process,
    Runtime.DOCKER: _docker,
    Runtime.KUBERNETES: _kubernetes,
}


def job_operator(job: Job, pipeline: Pipeline, **job_args: str) -> BaseOperator:
    """Return the task that runs a job of a pipeline; `job_args` are templates for the fields of `JobSpec`."""
    runtime = pipeline.training.runtime
    runtime = settings().runtime if runtime is Runtime.AUTO else runtime
    if runtime not in _RUNTIMES:
        allowed = ", ".join(repr(name.value) for name in _RUNTIMES)
        raise Misconfigured(
            f"runtime {runtime.value!r} of {pipeline.name!r} is not one of {allowed}; set MILLRACE_RUNTIME"
        )
    return _RUNTIMES[runtime](
        pipeline,
        task_id=job.value,
        pipeline_name=pipeline.name,
        job=job.value,
        job_args=job_args,
        execution_timeout=pipeline.training.timeout,
    )
