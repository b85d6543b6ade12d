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
SLEEPER = "trap 'echo stopping; exit 143' TERM; echo begun; sleep 120 & wait"
ACCOUNT = SECRET = "millrace-job"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Cluster:
    """A namespace that belongs to one test."""

    client: client.CoreV1Api
    namespace: str

    def pods(self, run_key: str = "") -> list[client.V1Pod]:
        """Return every pod of a run, or of all runs."""
        label = f"{RUN_KEY}={digest(run_key)}" if run_key else RUN_KEY
        found = self.client.list_namespaced_pod(self.namespace, label_selector=label)
        return list(found.items)

    def pod(self, run_key: str, *, until: Callable[[client.V1Pod], Any] = bool) -> client.V1Pod:
        """Wait until a run's only pod meets a condition, and return it."""

        def found() -> client.V1Pod | None:
            pods = self.pods(run_key)
            assert len(pods) < 2
            return pods[0] if pods and until(pods[0]) else None

        return wait_until(found)

    def begun(self, run_key: str) -> client.V1Pod:
        """Wait until the script in a run's pod has printed "begun", and return the pod."""
        return self.pod(run_key, until=lambda pod: "begun" in self.log(pod))

    def log(self, pod: client.V1Pod) -> str:
        """Return the log of a pod until now."""
        try:
            answer = self.client.read_namespaced_pod_log(
                pod.metadata.name, self.namespace, _preload_content=False
            )
        except ApiException:  # the container has not started yet
            return ""
        return str(answer.data.decode())

    def wait_empty(self, run_key: str) -> None:
        """Wait until a run has no pod, which takes its node a while to report."""
        wait_until(lambda: not self.pods(run_key), 150)

    def secret(self, name: str, content: Mapping[str, str]) -> None:
        """Create a Secret."""
        body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), string_data=dict(content))
        self.client.create_namespaced_secret(self.namespace, body)

    def config_maps(self) -> list[str]:
        """Return the names of all ConfigMaps."""
        return [one.metadata.name for one in self.client.list_namespaced_config_map(self.namespace).items]

    def config_map(self, name: str, content: Mapping[str, str]) -> None:
        """Create a ConfigMap."""
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=dict(content))
        self.client.create_namespaced_config_map(self.namespace, body)

    def allow(self, rules: list[dict[str, Any]]) -> None:
        """Bind the namespace's service account to a role with these rules."""
        api = client.RbacAuthorizationV1Api(self.client.api_client)
        role = {"kind": "Role", "name": "jobs", "apiGroup": "rbac.authorization.k8s.io"}
        about = {"metadata": {"name": role["name"]}}
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}
        api.create_namespaced_role(self.namespace, {**about, "rules": rules})
        api.create_namespaced_role_binding(self.namespace, {**about, "roleRef": role, "subjects": [subject]})

    def wait_for_quota(self, name: str) -> None:
        """Wait until a quota is enforced."""
        wait_until(lambda: self.client.read_namespaced_resource_quota(name, self.namespace).status.hard)


def account_config(cluster: Cluster, file: Path) -> Path:
    """Write a kubeconfig for a service account of the namespace that has no rights."""
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    token = cluster.client.create_namespaced_service_account_token(ACCOUNT, cluster.namespace, request)
    endpoint = cluster.client.api_client.configuration
    kubeconfig = {
        "clusters": [
            {"name": "c", "cluster": {"server": endpoint.host, "certificate-authority": endpoint.ssl_ca_cert}}
        ],
        "users": [{"name": "u", "user": {"token": token.status.token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(yaml.safe_dump(kubeconfig))
    return file


def wait_until(call: Callable[[], Any], seconds: float = 60) -> Any:
    """Call a function until its result is true, and return the result."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := call():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not after {seconds} s")


@contextmanager
def run_cluster(secret: Mapping[str, str]) -> Iterator[Cluster]:
    """Yield a new namespace, and remove it at the end; skip the test without a cluster.

    `secret` is the content of the jobs' Secret.
    """
    try:
        config.load_kube_config()
        api = client.CoreV1Api()
        nodes = api.list_node(_request_timeout=10).items
    except (ConfigException, HTTPError, ApiException) as error:
        pytest.skip(
            f"no Kubernetes cluster answers ({str(error)[:200]}); set KUBECONFIG, as with `.ci/cluster`"
        )
    # An image has no name if another image has taken it over.
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
    """Return the run key of a `score_task`."""
    return f"orders.stage/{run_id}/score"


def connect(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Set connections to services that the pods do not use; `secret` is the lake's secret access key."""
    lake = {"conn_type": "lakefs", "host": "http://127.0.0.1:1", "login": "key", "password": secret}
    inside = {"container_host": "http://10.0.0.1:5000"}
    mlflow = {"conn_type": "http", "host": "http://127.0.0.1:5000", "extra": inside}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(lake))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(mlflow))


def score_task(cluster: Cluster, script: str, run_id: str, **options: Any) -> PodTask:
    """Return a task whose pod runs a shell script in the job image instead of the job."""
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
    """An attempt of a deferrable task; as in Airflow, each part of it uses a new operator object."""

    def run(self) -> Any:
        asleep = self.begin()
        ended = self.resume(asleep, self.wait(asleep)) if isinstance(asleep, TaskDeferred) else asleep
        return ended if self.operator.do_xcom_push else None

    def begin(self) -> Any:
        """Run the first part; return the TaskDeferred, or the result if the task was not deferred."""
        self.operator, fresh = copy.deepcopy(self.operator), self.operator
        try:
            return super().run()
        except TaskDeferred as deferred:
            return deferred
        finally:
            self.operator, self.first = fresh, self.operator

    def trigger(self, asleep: TaskDeferred) -> Any:
        """Return the trigger, deserialised as in a triggerer."""
        path, arguments = asleep.trigger.serialize()
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)(**arguments)

    def wait(self, asleep: TaskDeferred) -> dict[str, Any]:
        """Run the trigger and return the payload of its event."""
        trigger = self.trigger(asleep)

        async def fire() -> Any:
            return await anext(trigger.run())

        return dict(asyncio.run(fire()).payload)

    def resume(self, asleep: TaskDeferred, event: dict[str, Any]) -> Any:
        """Run the second part, as another process would."""
        self.operator, fresh = copy.deepcopy(self.operator), self.operator
        try:
            self.operator.render_template_fields(self.context)
            return getattr(self.operator, asleep.method_name)(self.context, event)
        finally:
            self.operator = fresh
