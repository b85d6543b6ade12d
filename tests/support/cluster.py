"""A namespace of a Kubernetes cluster with what jobs need, and tasks that wait for pods as in Airflow."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from airflow.sdk.exceptions import TaskDeferred
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from include.contract.training import Resources
from millrace.runtimes.kubernetes.operator import KubernetesJobOperator
from millrace.runtimes.kubernetes.pods import resources
from millrace.runtimes.labels import RUN_KEY, digest
from tests.support.task import Task

JOB_IMAGE = "millrace-job:latest"
ANSWER = """echo '{"commit": "c", "days": 1, "rows": 2}'"""
SLEEPER = "trap 'echo told to stop; exit 143' TERM; echo begun; sleep 120 & wait"
ACCOUNT = SECRET = "millrace-job"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Cluster:
    """A namespace of a test's own."""

    client: client.CoreV1Api
    namespace: str

    def pods(self, run_key: str = "") -> list[client.V1Pod]:
        """Every pod of a run, or of any."""
        label = f"{RUN_KEY}={digest(run_key)}" if run_key else RUN_KEY
        found = self.client.list_namespaced_pod(self.namespace, label_selector=label)
        return list(found.items)

    def pod(self, run_key: str, *, until: Callable[[client.V1Pod], Any] = bool) -> client.V1Pod:
        """The one pod of a run, once something is true of it."""

        def found() -> client.V1Pod | None:
            pods = self.pods(run_key)
            assert len(pods) < 2
            return pods[0] if pods and until(pods[0]) else None

        return wait_until(found)

    def begun(self, run_key: str) -> client.V1Pod:
        """The pod of a run, once its script says that it has begun."""
        return self.pod(run_key, until=lambda pod: "begun" in self.log(pod))

    def log(self, pod: client.V1Pod) -> str:
        """What a pod has said until now."""
        try:
            answer = self.client.read_namespaced_pod_log(
                pod.metadata.name, self.namespace, _preload_content=False
            )
        except ApiException:  # not yet at work
            return ""
        return str(answer.data.decode())

    def wait_empty(self, run_key: str) -> None:
        """Wait until a run has no pod: its node needs a while to report that one has ended."""
        wait_until(lambda: not self.pods(run_key), 150)

    def secret(self, name: str, content: Mapping[str, str]) -> None:
        """Put a Secret there."""
        body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), string_data=dict(content))
        self.client.create_namespaced_secret(self.namespace, body)

    def config_maps(self) -> list[str]:
        """The names of what `config_map` made."""
        return [one.metadata.name for one in self.client.list_namespaced_config_map(self.namespace).items]

    def config_map(self, name: str, content: Mapping[str, str]) -> None:
        """Put files there."""
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=dict(content))
        self.client.create_namespaced_config_map(self.namespace, body)

    def allow(self, rules: list[dict[str, Any]]) -> None:
        """Let the namespace's account do what rules of a role say."""
        api = client.RbacAuthorizationV1Api(self.client.api_client)
        role = {"kind": "Role", "name": "jobs", "apiGroup": "rbac.authorization.k8s.io"}
        about = {"metadata": {"name": role["name"]}}
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}
        api.create_namespaced_role(self.namespace, {**about, "rules": rules})
        api.create_namespaced_role_binding(self.namespace, {**about, "roleRef": role, "subjects": [subject]})

    def wait_for_quota(self, name: str) -> None:
        """Wait until a quota counts."""
        wait_until(lambda: self.client.read_namespaced_resource_quota(name, self.namespace).status.hard)


def account_config(cluster: Cluster, file: Path) -> Path:
    """A kubeconfig for an account of the namespace that has no rights."""
    asked = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    given = cluster.client.create_namespaced_service_account_token(ACCOUNT, cluster.namespace, asked)
    endpoint = cluster.client.api_client.configuration
    written = {
        "clusters": [
            {"name": "c", "cluster": {"server": endpoint.host, "certificate-authority": endpoint.ssl_ca_cert}}
        ],
        "users": [{"name": "u", "user": {"token": given.status.token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(yaml.safe_dump(written))
    return file


def wait_until(call: Callable[[], Any], seconds: float = 60) -> Any:
    """What a call returns once that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := call():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not after {seconds} s")


@contextmanager
def run_cluster(secret: Mapping[str, str]) -> Iterator[Cluster]:
    """A namespace of the cluster, removed at the end; a test is skipped where there is no cluster.

    `secret` is what its jobs' Secret holds.
    """
    try:
        config.load_kube_config()
        api = client.CoreV1Api()
        nodes = api.list_node(_request_timeout=10).items
    except (ConfigException, HTTPError, ApiException) as error:
        pytest.skip(
            f"no Kubernetes cluster answers ({str(error)[:200]}); set KUBECONFIG, as with `.ci/cluster`"
        )
    # An image whose name another one has by now has none.
    names = [name for node in nodes for image in node.status.images for name in image.names or ()]
    if not any(JOB_IMAGE in name for name in names):
        pytest.skip(f"no node of the cluster has the image {JOB_IMAGE!r}; build it and load it there")
    cluster = Cluster(api, f"millrace-test-{uuid4().hex[:8]}")
    about = client.V1ObjectMeta(name=cluster.namespace, labels=RESTRICTED)
    api.create_namespace(client.V1Namespace(metadata=about))
    try:
        account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name=ACCOUNT))
        api.create_namespaced_service_account(cluster.namespace, account)
        cluster.secret(SECRET, secret)
        yield cluster
    finally:
        api.delete_namespace(cluster.namespace, grace_period_seconds=0)


def key(run_id: str) -> str:
    """The run key of a `score_task`."""
    return f"orders.stage/{run_id}/score"


def connect(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Connections of services that no pod asks; `secret` is the lake's."""
    lake = {"conn_type": "lakefs", "host": "http://127.0.0.1:1", "login": "key", "password": secret}
    inside = {"container_host": "http://10.0.0.1:5000"}
    mlflow = {"conn_type": "http", "host": "http://127.0.0.1:5000", "extra": inside}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(lake))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(mlflow))


def score_task(cluster: Cluster, script: str, run_id: str, **options: Any) -> PodTask:
    """A task whose pod runs a few lines of shell in the job image, whatever the job."""
    told = {"commit": "c0ffee", "until": "2024-03-30", "version": "1", **options.pop("told", {})}
    given = {
        "namespace": cluster.namespace,
        "service_account_name": ACCOUNT,
        "secret": SECRET,
        "image": JOB_IMAGE,
        "image_pull_policy": "IfNotPresent",
        "kubernetes_conn_id": None,
        "cmds": ["sh", "-c", script],
        "container_resources": resources(Resources(cpu=0.2, memory="64Mi")),
        "execution_timeout": timedelta(minutes=5),
        **options,
    }
    operator = KubernetesJobOperator(
        task_id="score", pipeline_name="orders", job="score", job_args=told, **given
    )
    return PodTask(operator, run_id)


@dataclass
class PodTask(Task):
    """A try of a task that sleeps in the triggerer: each part has an operator of its own, as in Airflow."""

    def run(self) -> Any:
        asleep = self.begin()
        ended = self.resume(asleep, self.wait(asleep)) if isinstance(asleep, TaskDeferred) else asleep
        return ended if self.operator.do_xcom_push else None

    def begin(self) -> Any:
        """The first part, up to where the task is deferred; what it returned, if it was not."""
        self.operator, fresh = copy.deepcopy(self.operator), self.operator
        try:
            return super().run()
        except TaskDeferred as deferred:
            return deferred
        finally:
            self.operator, self.first = fresh, self.operator

    def trigger(self, asleep: TaskDeferred) -> Any:
        """The trigger, as a triggerer makes it of what is stored."""
        path, arguments = asleep.trigger.serialize()
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)(**arguments)

    def wait(self, asleep: TaskDeferred) -> dict[str, Any]:
        """What the trigger fires with."""
        trigger = self.trigger(asleep)

        async def fire() -> Any:
            return await anext(trigger.run())

        return dict(asyncio.run(fire()).payload)

    def resume(self, asleep: TaskDeferred, event: dict[str, Any]) -> Any:
        """The second part, in another process."""
        self.operator, fresh = copy.deepcopy(self.operator), self.operator
        try:
            self.operator.render_template_fields(self.context)
            return getattr(self.operator, asleep.method_name)(self.context, event)
        finally:
            self.operator = fresh
