"""What is requested from a cluster, without one: names, the pod itself, the errors for the end of a pod."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from kubernetes import client
from kubernetes.client import ApiClient

from include.contract import loader
from include.exceptions import JobFailed, MillraceError, Misconfigured, Transient, Unavailable
from include.jobs.spec import Job
from millrace.runtimes.factory import job_operator
from millrace.runtimes.kubernetes.pods import failure, image_of, is_refused, pod_name
from tests.support.cluster import PodTask
from tests.support.pipeline import write_pipeline
from tests.support.policies import Policy, in_a_namespace, limited, restricted, without_secrets

HIDDEN = "secret-of-the-lake-1234"


@pytest.mark.parametrize("pipeline", ["flights", "a", "a_", "x" * 63, "under_score_" * 5])
def test_a_name_is_one_that_the_cluster_takes(pipeline: str) -> None:
    name = pod_name(pipeline, "evaluate", f"{pipeline}.train/manual__2026-01-01T00:00:00+00:00/evaluate")
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert name != pod_name(pipeline, "evaluate", "another run")


@pytest.fixture
def asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The pod of a pipeline that uses all there is, as it is sent to the cluster."""
    lake = {"conn_type": "lakefs", "host": "http://127.0.0.1:1", "login": "key", "password": HIDDEN}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(lake))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "http", "host": "http://m"}))
    training = {
        "runtime": "kubernetes",
        "resources": {"cpu": 0.5, "memory": "1Gi", "gpu": 1},
        "node_selector": {"pool": "gpu"},
        "tolerations": [{"operator": "Exists"}],
    }
    spec = loader.load(write_pipeline(tmp_path, "orders", training=training))
    task = PodTask(job_operator(Job.TRAIN, spec, commit="c", until="2024-03-30"))
    task.operator._prepare(task.context)
    return ApiClient().sanitize_for_serialization(
        task.operator.build_pod_request_obj(task.context, dry_run=True)
    )


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version().removesuffix(".0")])
def test_a_pod_is_as_the_schemas_say(asked_for: Any, version: str) -> None:
    assert kubernetes_validate.validate(asked_for, version, strict=True) == version
    asked_for["spec"]["containers"][0]["securitycontext"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="securitycontext"):
        kubernetes_validate.validate(asked_for, version, strict=True)


@pytest.mark.parametrize(
    "policy", [in_a_namespace, restricted, limited, without_secrets], ids=lambda p: p.__name__
)
def test_a_pod_holds_to_the_policies_of_manifests(asked_for: Any, policy: Policy) -> None:
    """Pod Security's level "restricted" among them."""
    assert list(policy(asked_for, [asked_for])) == []


def test_a_pod_has_one_container_and_no_secret(asked_for: Any) -> None:
    assert [one["name"] for one in asked_for["spec"]["containers"]] == ["base"]
    assert HIDDEN not in json.dumps(asked_for)


def pod(reason: str = "", message: str = "", **state: Any) -> client.V1Pod:
    status = client.V1ContainerStatus(
        name="base",
        image="i",
        image_id="docker-pullable://registry.example/i@sha256:1",
        ready=False,
        restart_count=0,
        state=client.V1ContainerState(**state),
    )
    container = client.V1Container(name="base", image="i", resources=client.V1ResourceRequirements())
    return client.V1Pod(
        spec=client.V1PodSpec(containers=[container]),
        status=client.V1PodStatus(
            phase="Failed", reason=reason, message=message, container_statuses=[status]
        ),
    )


@pytest.mark.parametrize(
    ("reason", "message", "kind", "said"),
    [
        (
            "NodeLost",
            "Node n is unresponsive",
            Transient,
            "taken away by the cluster: NodeLost: Node n is unr",
        ),
        (
            "Evicted",
            "The node was low on resource: memory.",
            Transient,
            "cluster: Evicted: The node was low on",
        ),
        (
            "Evicted",
            'Usage of EmptyDir volume "tmp" exceeds the limit "2Gi".',
            Misconfigured,
            "write less to /t",
        ),
        (
            "Evicted",
            "Pod ephemeral local storage usage exceeds",
            Misconfigured,
            "write less to /tmp, or raise",
        ),
    ],
)
def test_what_takes_a_pod_away_is_told_apart(
    reason: str, message: str, kind: type[MillraceError], said: str
) -> None:
    """What a cluster of one node cannot be brought to do in a test."""
    found = failure(pod(reason, message), pipeline_name="orders", job="train", seconds=60, lines=[])
    assert (type(found), said in str(found)) == (kind, True)


@pytest.mark.parametrize(("reason", "code"), [("Unknown", 255), ("ContainerStatusUnknown", 137)])
def test_a_container_that_its_node_lost_is_tried_again(reason: str, code: int) -> None:
    """As after a node that was reset: the pod itself has no reason then."""
    ended = client.V1ContainerStateTerminated(exit_code=code, reason=reason)
    found = failure(pod(terminated=ended), pipeline_name="orders", job="train", seconds=60, lines=["epoch 3"])
    assert (type(found), f"taken away by the cluster: {reason}" in str(found)) == (Transient, True)


def test_a_job_that_ends_with_255_by_itself_is_not() -> None:
    ended = client.V1ContainerStateTerminated(exit_code=255, reason="Error")
    found = failure(pod(terminated=ended), pipeline_name="orders", job="train", seconds=60, lines=["died"])
    assert type(found) is JobFailed


def test_an_image_is_named_by_digest() -> None:
    assert image_of(pod(), "i") == "registry.example/i@sha256:1"
    loaded = pod()
    loaded.status.container_statuses[0].image_id = "sha256:2"
    assert image_of(loaded, "i") == "i@sha256:2"


@pytest.mark.parametrize(
    ("reason", "message", "kind"),
    [
        ("ErrImagePull", "unexpected status code 503 Service Unavailable", Unavailable),
        ("ImagePullBackOff", "dial tcp 10.0.0.1:443: connect: connection refused", Unavailable),
        ("ErrImagePull", "toomanyrequests: You have reached your pull rate limit", Unavailable),
        ("CreateContainerConfigError", "failed to sync secret cache: timed out waiting", Unavailable),
        ("ErrImagePull", 'manifest for "i:1" not found', Misconfigured),
        ("ErrImagePull", "pull access denied, repository does not exist", Misconfigured),
        ("CreateContainerConfigError", 'secret "millrace-job" not found', Misconfigured),
    ],
)
def test_trouble_that_passes_is_tried_again_and_what_is_wrong_is_not(
    reason: str, message: str, kind: type[MillraceError]
) -> None:
    waiting = client.V1ContainerStateWaiting(reason=reason, message=message)
    found = pod(waiting=waiting)
    said = failure(found, pipeline_name="orders", job="train", seconds=60, lines=[])
    assert type(said) is kind
    assert message in str(said)
    assert is_refused(waiting) == (kind is Misconfigured and reason.startswith("Create"))
