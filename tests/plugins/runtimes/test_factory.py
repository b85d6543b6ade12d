"""The runtime decides about the operator."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.exceptions import Misconfigured
from include.jobs.spec import Job
from include.settings import ROOT
from millrace.runtimes.docker.operator import DockerJobOperator
from millrace.runtimes.factory import job_operator
from millrace.runtimes.kubernetes.operator import KubernetesJobOperator
from millrace.runtimes.process import ProcessJobOperator
from tests.support.pipeline import write_pipeline


def pipeline(parent: Path, runtime: str) -> Pipeline:
    return loader.load(write_pipeline(parent, "orders", training={"runtime": runtime, "timeout": "5m"}))


@pytest.mark.parametrize("runtime", ["auto", "process"])
def test_a_job_runs_in_the_tasks_process_by_default(tmp_path: Path, runtime: str) -> None:
    task = job_operator(Job.SCORE, pipeline(tmp_path, runtime), commit="c", until="u", version="1")
    assert isinstance(task, ProcessJobOperator)
    assert (task.task_id, task.pipeline, task.job) == ("score", "orders", "score")
    assert task.told == {"commit": "c", "until": "u", "version": "1"}
    assert task.execution_timeout == timedelta(minutes=5)


def test_a_deployment_must_name_a_runtime_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_pipelines: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("MILLRACE_RUNTIME", "auto")
    use_pipelines(tmp_path)
    with pytest.raises(
        Misconfigured, match="runtime 'auto' of 'orders' is not one of 'process', 'docker', 'kubernetes'; set"
    ):
        job_operator(Job.TRAIN, pipeline(tmp_path, "auto"))


def test_a_job_in_a_container_has_what_the_contract_and_the_deployment_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_pipelines: Callable[[Path], None]
) -> None:
    deployment = {
        "MILLRACE_RUNTIME": "docker",
        "MILLRACE_JOB_REGISTRY_CONN_ID": "registry",
        "MILLRACE_JOB_IMAGE_PULL": "always",
    }
    for name, value in {**deployment, "MILLRACE_JOB_NETWORK": "jobs", "MILLRACE_DEPLOYMENT": "ours"}.items():
        monkeypatch.setenv(name, value)
    use_pipelines(tmp_path)
    training = {"image": "own:1", "resources": {"cpu": 1.5, "memory": "512Mi", "gpu": 2}, "timeout": "5m"}
    spec = loader.load(write_pipeline(tmp_path, "orders", training=training))
    task = job_operator(Job.TRAIN, spec, commit="c", until="u")
    assert isinstance(task, DockerJobOperator)
    assert (task.image, task.docker_conn_id, task.network_mode) == ("own:1", "registry", "jobs")
    assert (task.cpus, task.mem_limit, task.force_pull) == (1.5, 512 * 2**20, True)
    assert [(asked["Count"], asked["Capabilities"]) for asked in task.device_requests or []] == [
        (2, [["gpu"]])
    ]
    assert (task.command, task.execution_timeout) == (["train"], timedelta(minutes=5))
    assert task.deployment == "ours"


def test_a_job_in_a_pod_has_what_the_contract_and_the_deployment_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_pipelines: Callable[[Path], None]
) -> None:
    deployment = {
        "MILLRACE_RUNTIME": "kubernetes",
        "MILLRACE_KUBERNETES_NAMESPACE": "jobs",
        "MILLRACE_KUBERNETES_SECRET": "keys",
        "MILLRACE_KUBERNETES_PULL_SECRET": "pull",
    }
    for name, value in {
        **deployment,
        "MILLRACE_JOB_IMAGE_PULL": "always",
        "MILLRACE_KUBERNETES_START_SECONDS": "60",
    }.items():
        monkeypatch.setenv(name, value)
    use_pipelines(tmp_path)
    resources = {"cpu": 1.5, "memory": "512Mi", "gpu": 2}
    gpus = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    nodes = {"node_selector": {"pool": "gpu"}, "tolerations": [gpus]}
    training = {"image": "own:1", "resources": resources, "timeout": "5m", **nodes}
    task = job_operator(Job.TRAIN, loader.load(write_pipeline(tmp_path, "orders", training=training)))
    assert isinstance(task, KubernetesJobOperator)
    spec = ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True))["spec"]
    [container] = spec["containers"]
    given = {"cpu": "1.5", "memory": "512Mi", "nvidia.com/gpu": "2"}
    assert container["resources"] == {"limits": given, "requests": given}
    assert (container["image"], container["imagePullPolicy"], container["args"]) == (
        "own:1",
        "Always",
        ["train"],
    )
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert (spec["nodeSelector"], spec["tolerations"]) == ({"pool": "gpu"}, [gpus])
    assert (spec["imagePullSecrets"], spec["activeDeadlineSeconds"]) == ([{"name": "pull"}], 300)
    assert (task.namespace, task.schedule_timeout_seconds, task.startup_timeout_seconds) == ("jobs", 60, 60)


def test_a_deployment_without_containers_does_not_pay_for_the_providers() -> None:
    code = "import sys, millrace.runtimes.factory; print({'docker', 'kubernetes'} & {*sys.modules} != set())"
    path = os.pathsep.join((str(ROOT), str(ROOT / "plugins")))
    told = subprocess.check_output(
        [sys.executable, "-c", code], text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert told.splitlines()[-1] == "False"
