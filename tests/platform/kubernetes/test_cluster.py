"""A real API server accepts and enforces the manifests: kinds, rights, quotas. In temporary namespaces."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from kubernetes import client, config
from kubernetes.client import ApiException
from kubernetes.config import ConfigException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ForbiddenError, NotFoundError, ResourceNotFoundError

from tests.support.manifests import OVERLAYS, Object, overlay

pytestmark = pytest.mark.kubernetes
SUFFIX = uuid4().hex[:8]
PLATFORM, JOBS = f"millrace-{SUFFIX}", f"millrace-jobs-{SUFFIX}"
# Kinds that old servers lack: the manifests are for Kubernetes 1.30 and later.
SINCE = {"PodDisruptionBudget": (1, 21), "HorizontalPodAutoscaler": (1, 23)}
APPLIED = (
    "Namespace",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
)


def moved(part: Any) -> Any:
    """Return the objects with both namespaces renamed, also in references."""
    if isinstance(part, dict):
        return {name: moved(value) for name, value in part.items()}
    if isinstance(part, list):
        return [moved(value) for value in part]
    return {"millrace": PLATFORM, "millrace-jobs": JOBS}.get(part, part)


@pytest.fixture(scope="module")
def cluster() -> Iterator[DynamicClient]:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    try:
        found = DynamicClient(config.new_client_from_config())
    except (ApiException, ConfigException, OSError) as error:
        pytest.skip(f"the cluster in KUBECONFIG does not answer: {error}")
    try:
        yield found
    finally:
        kinds = found.resources.get(api_version="v1", kind="Namespace")
        for name in (PLATFORM, JOBS):
            with suppress(NotFoundError):
                kinds.delete(name=name)
        found.client.close()


@pytest.fixture(scope="module")
def applied(cluster: DynamicClient) -> DynamicClient:
    """The cluster with the namespaces, rights, limits and network policies of the trial."""
    found = moved(overlay("trial"))
    for kind in APPLIED:
        for one in (other for other in found if other["kind"] == kind):
            create(cluster, one)
    quotas = client.CoreV1Api(cluster.client)
    for _ in range(100):  # a quota is enforced once its controller has seen it
        if quotas.read_namespaced_resource_quota("jobs", JOBS).status.hard:
            return cluster
        time.sleep(0.1)
    raise TimeoutError("the quota of the jobs is not in force after ten seconds")


def create(cluster: DynamicClient, one: Object, **how: Any) -> Any:
    kind = cluster.resources.get(api_version=one["apiVersion"], kind=one["kind"])
    strict = [("fieldValidation", "Strict")]  # servers older than 1.25 ignore it
    return kind.create(body=one, namespace=one["metadata"].get("namespace"), query_params=strict, **how)


def version(cluster: DynamicClient) -> tuple[int, int]:
    found = client.VersionApi(cluster.client).get_code()
    return int(found.major), int(found.minor.rstrip("+"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_server_would_take_every_object_that_it_knows(applied: DynamicClient, name: str) -> None:
    unknown = set()
    for one in moved(overlay(name)):
        if one["kind"] in APPLIED:
            one["metadata"]["name"] += "-again"  # the fixture has created it
        try:
            create(applied, one, dry_run="All")
        except ResourceNotFoundError:
            unknown.add(one["kind"])
    assert unknown == {"PodDisruptionBudget"} & {
        kind for kind, since in SINCE.items() if since > version(applied)
    }


def may(cluster: DynamicClient, account: str, verb: str, resource: str, namespace: str) -> bool:
    """Return whether a service account has a permission."""
    kind, _, part = resource.partition("/")
    review = client.V1SubjectAccessReview(
        spec=client.V1SubjectAccessReviewSpec(
            user=f"system:serviceaccount:{account}",
            resource_attributes=client.V1ResourceAttributes(
                namespace=namespace, verb=verb, resource=kind, subresource=part
            ),
        )
    )
    api = client.AuthorizationV1Api(cluster.client)
    return bool(api.create_subject_access_review(review).status.allowed)


WORKER, TRIGGERER = f"{PLATFORM}:airflow-worker", f"{PLATFORM}:airflow-triggerer"
JOB, SCHEDULER = f"{JOBS}:millrace-job", f"{PLATFORM}:airflow-scheduler"


@pytest.mark.parametrize("account", [WORKER, TRIGGERER], ids=["worker", "triggerer"])
def test_airflow_may_run_jobs_and_nothing_else(applied: DynamicClient, account: str) -> None:
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
    resources = (
        "pods",
        "pods/log",
        "pods/exec",
        "events",
        "secrets",
        "configmaps",
        "serviceaccounts",
        "roles",
    )
    allowed = {
        (verb, resource)
        for verb in verbs
        for resource in resources
        if may(applied, account, verb, resource, JOBS)
    }
    assert allowed == {
        *((verb, "pods") for verb in ("get", "list", "create", "delete")),
        ("get", "pods/log"),
    }
    assert not may(applied, account, "get", "pods", PLATFORM)
    assert not may(applied, account, "get", "secrets", PLATFORM)


@pytest.mark.parametrize("account", [JOB, SCHEDULER], ids=["job", "scheduler"])
@pytest.mark.parametrize(("verb", "resource"), [("get", "pods"), ("create", "pods"), ("get", "secrets")])
def test_others_may_do_nothing_there(applied: DynamicClient, account: str, verb: str, resource: str) -> None:
    assert not may(applied, account, verb, resource, JOBS)


def pod(**resources: Any) -> Object:
    container = {
        "name": "job",
        "image": "millrace-job:latest",
        **({"resources": resources} if resources else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job", "namespace": JOBS},
        "spec": {"serviceAccountName": "millrace-job", "containers": [container]},
    }


def test_a_pod_that_asks_for_nothing_is_limited_and_given_no_token(applied: DynamicClient) -> None:
    made = create(applied, pod(), dry_run="All").to_dict()["spec"]
    assert made["containers"][0]["resources"] == {
        "limits": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "4Gi"},
        "requests": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "1Gi"},
    }
    assert not any("token" in str(volume) for volume in made.get("volumes", []))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"cpu": "17"}, "maximum cpu usage per Container is 16"),
        ({"memory": "65Gi"}, "maximum memory usage per Container is 64Gi"),
    ],
)
def test_a_job_cannot_take_the_whole_cluster(
    applied: DynamicClient, limits: dict[str, str], message: str
) -> None:
    with pytest.raises(ForbiddenError, match=message):
        create(applied, pod(limits=limits, requests=limits), dry_run="All")


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Service", {"ports": [{"port": 80}]}),
        (
            "PersistentVolumeClaim",
            {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        ),
    ],
)
def test_jobs_are_reached_by_no_service_and_keep_no_volume(
    applied: DynamicClient, kind: str, spec: Object
) -> None:
    one = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "kept", "namespace": JOBS}, "spec": spec}
    with pytest.raises(ForbiddenError, match="exceeded quota: jobs"):
        create(applied, one, dry_run="All")
