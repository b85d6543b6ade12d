"""Why pods of a real cluster fail: each error is reported as what it is, with the remedy."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from include.contract.training import Resources
from include.exceptions import (
    BadData,
    Busy,
    JobFailed,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.settings import ROOT
from millrace.runtimes.kubernetes.pods import resources
from tests.support.cluster import (
    ANSWER,
    JOB_IMAGE,
    SLEEPER,
    Cluster,
    account_config,
    connect,
    key,
    run_cluster,
    score_task,
)
from tests.support.engine import beside

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with run_cluster({}) as found:
        yield found


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that no pod here asks."""
    connect(monkeypatch, "secret")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(64, Misconfigured), (65, BadData), (69, Unavailable), (70, JobFailed), (1, JobFailed)],
)
def test_an_exit_code_becomes_the_error_that_the_retries_go_by(
    cluster: Cluster, code: int, kind: type[MillraceError]
) -> None:
    said = """echo '{"error": "X", "message": "the reason"}'"""
    with pytest.raises(kind) as caught:
        score_task(cluster, f"{said}; exit {code}", f"exit-{code}").run()
    assert type(caught.value) is kind
    told = f"job 'score' of image {JOB_IMAGE!r} ended with exit code {code}: the reason"
    assert str(caught.value) == told
    assert cluster.pods(key(f"exit-{code}")) == []


def test_too_much_memory_is_told_as_what_it_is(cluster: Cluster) -> None:
    with pytest.raises(Misconfigured, match=r"more than its 64Mi of memory; raise training\.resources\.mem"):
        score_task(cluster, "exec python -c 'x = bytearray(300 * 2**20)'", "memory").run()
    assert cluster.pods(key("memory")) == []


def test_ending_well_without_an_answer_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(Misconfigured, match=r"ended with 0 and printed no result of 'score'"):
        score_task(cluster, "echo done", "mute").run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "No Such Image"}, r"cannot pull image 'No Such Image' \(InvalidImageName: .*correct its"),
        (
            {"image": "millrace-none:1", "image_pull_policy": "Never"},
            r"cannot pull image 'millrace-none:1' \(ErrImageNeverPull",
        ),
        (
            {"secret": "none"},
            r'\(CreateContainerConfigError: secret "none" not found\).*correct MILLRACE_KUBERNETES_SECRET',
        ),
        ({"cmds": ["/no/such/program"]}, r"image 'millrace-job:latest' cannot be started: .*no such file"),
        (
            {"container_resources": resources(Resources(cpu=1000)), "schedule_timeout_seconds": 2},
            r"no node takes the pod of 'orders' \(0/1 nodes are available: 1 Insufficient cpu.*training.res",
        ),
        (
            {"container_resources": resources(Resources(gpu=1)), "schedule_timeout_seconds": 2},
            r"\(0/1 nodes are available: 1 Insufficient nvidia.com/gpu",
        ),
        (
            {"node_selector": {"disk": "fast"}, "schedule_timeout_seconds": 2},
            r"didn't match Pod's node affinity.*; lower .*, correct its training\.node_selector",
        ),
        (
            {"service_account_name": "none"},
            r'serviceaccount "none" not found; make it, or correct MILLRACE_KUBERNETES_SERVICE_ACCOUNT',
        ),
        (
            {"namespace": "millrace-none"},
            r'namespaces "millrace-none" not found; make it, or correct MILLRACE_KUBERNETES_NAMESPACE',
        ),
        ({"active_deadline_seconds": -1}, r"the cluster answered 422 .*activeDeadlineSeconds"),
    ],
    ids=["name", "never", "secret", "command", "cpu", "gpu", "node", "account", "namespace", "spec"],
)
def test_what_the_cluster_cannot_do_is_told_at_once(
    cluster: Cluster, options: dict[str, Any], message: str, request: pytest.FixtureRequest
) -> None:
    run_id, started = request.node.callspec.id, time.monotonic()
    with pytest.raises(Misconfigured, match=message) as caught:
        score_task(cluster, "exit 70", run_id, **options).run()
    assert type(caught.value) is Misconfigured
    assert time.monotonic() - started < 45
    cluster.wait_empty(key(run_id))


def test_an_image_that_cannot_be_pulled_is_told_at_once(cluster: Cluster) -> None:
    """Whether the registry is away or has no such image depends on what the node reaches."""
    started = time.monotonic()
    with pytest.raises(
        (Misconfigured, Unavailable), match=r"image 'millrace-none:1'.*\(ErrImagePull|\(ImagePull"
    ):
        score_task(cluster, "exit 70", "image", image="millrace-none:1").run()
    assert time.monotonic() - started < 45
    cluster.wait_empty(key("image"))


@pytest.fixture
def quota(cluster: Cluster) -> Iterator[None]:
    """Room for one pod of 64 MiB, and not for two."""
    asked = client.V1ResourceQuota(
        metadata=client.V1ObjectMeta(name="q"),
        spec=client.V1ResourceQuotaSpec(hard={"limits.memory": "100Mi"}),
    )
    cluster.client.create_namespaced_resource_quota(cluster.namespace, asked)
    try:
        cluster.wait_for_quota("q")
        yield
    finally:
        cluster.client.delete_namespaced_resource_quota("q", cluster.namespace)


@pytest.mark.usefixtures("quota")
def test_a_quota_that_others_use_is_waited_for(cluster: Cluster) -> None:
    score_task(cluster, SLEEPER, "first").begin()
    with pytest.raises(Busy, match=r"exceeded quota: q, .*; it is tried again when others are done"):
        score_task(cluster, ANSWER, "second").run()
    cluster.client.delete_namespaced_pod(cluster.pod(key("first")).metadata.name, cluster.namespace)
    cluster.wait_empty(key("first"))
    assert score_task(cluster, ANSWER, "second").run()["rows"] == 2


@pytest.mark.usefixtures("quota")
def test_a_quota_that_is_too_small_for_the_job_is_told_at_once(cluster: Cluster) -> None:
    limits = resources(Resources(cpu=0.2, memory="128Mi"))
    with pytest.raises(Misconfigured, match=r"exceeded quota: q, .*; lower training\.resources, or raise"):
        score_task(cluster, ANSWER, "large", container_resources=limits).run()


@pytest.fixture
def connection(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubeconfig behind Airflow's connection `cluster`: an account that may do nothing."""
    file = account_config(cluster, tmp_path / "config")
    fields = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(file)}}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(fields))
    return file


def test_an_account_needs_the_rights_of_the_documents_and_no_more(cluster: Cluster, connection: Path) -> None:
    asked = score_task(cluster, ANSWER, "rights", kubernetes_conn_id="cluster")
    with pytest.raises(Unauthorized, match=r'cannot get resource "pods".*; give Airflow\'s account the role'):
        asked.run()
    page = (ROOT / "docs/deployment.md").read_text()
    rules = yaml.safe_load(re.findall(r"```yaml\n(rules:.*?)```", page, re.DOTALL)[0])["rules"]
    cluster.allow(rules)
    assert asked.run()["rows"] == 2


def test_a_cluster_that_is_away_is_waited_for(cluster: Cluster, connection: Path) -> None:
    away = yaml.safe_load(connection.read_text())
    away["clusters"][0]["cluster"] = {"server": "http://127.0.0.1:1"}
    connection.write_text(yaml.safe_dump(away))
    with pytest.raises(
        Unavailable, match=r"the cluster does not answer \(MaxRetryError\); start it, or name"
    ):
        score_task(cluster, ANSWER, "away", kubernetes_conn_id="cluster").run()


def test_without_a_cluster_it_says_how_to_name_one(cluster: Cluster, connection: Path) -> None:
    connection.unlink()
    with pytest.raises(
        Misconfigured, match=r"no cluster is known \(Invalid kube-config.*by KUBECONFIG or MILLRACE_KUBE"
    ):
        score_task(cluster, ANSWER, "nowhere", kubernetes_conn_id="cluster").run()


def test_a_pod_that_others_delete_is_tried_again(cluster: Cluster) -> None:
    found = score_task(cluster, SLEEPER, "deleted")
    asleep = found.begin()
    pod = cluster.begun(key("deleted"))
    with beside(lambda: found.wait(asleep)) as events:
        cluster.client.delete_namespaced_pod(pod.metadata.name, cluster.namespace)
    with pytest.raises(
        Transient, match=r"was stopped from outside \(exit code 143\)|is gone; it was deleted"
    ):
        found.resume(asleep, events[0])


def test_a_pod_that_writes_too_much_is_told_of(cluster: Cluster) -> None:
    script = "head -c 2200000000 /dev/zero > /tmp/x; echo begun; sleep 100"
    with pytest.raises(Misconfigured, match=r"the job was evicted \(.*EmptyDir.*\); write less to /tmp"):
        score_task(cluster, script, "disk").run()
