"""Jobs in pods of a real cluster: what they are confined to, how they end, what is left of them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from include import catalog
from include.exceptions import (
    BadData,
    JobFailed,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.jobs.spec import Job
from include.settings import ROOT, settings
from include.spec import Resources
from millrace.cluster import OVER, RUN_KEY, resources
from millrace.jobs import job_operator
from millrace.operators.kubernetes_job import KubernetesJobOperator
from tests.support.cluster import (
    ACCOUNT,
    JOB_IMAGE,
    SECRET,
    Cluster,
    PodTask,
    account_config,
    run_cluster,
)
from tests.support.engine import beside
from tests.support.pipeline import write_pipeline

pytestmark = pytest.mark.kubernetes

ANSWER = """echo '{"commit": "c", "days": 1, "rows": 2}'"""
SLEEPER = "trap 'echo told to stop; exit 143' TERM; echo begun; sleep 120 & wait"
HIDDEN = "secret-of-the-lake-1234"
LOGIN = {"LAKECTL_CREDENTIALS_ACCESS_KEY_ID": "key", "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": HIDDEN}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with run_cluster(LOGIN) as found:
        yield found


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that no pod here asks."""
    lake = {"conn_type": "lakefs", "host": "http://127.0.0.1:1", "login": "key", "password": HIDDEN}
    inside = {"container_host": "http://10.0.0.1:5000"}
    mlflow = {"conn_type": "http", "host": "http://127.0.0.1:5000", "extra": inside}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(lake))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(mlflow))


def task(cluster: Cluster, script: str, run_id: str = "r1", **options: Any) -> PodTask:
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
    operator = KubernetesJobOperator(task_id="score", pipeline="orders", job="score", told=told, **given)
    return PodTask(operator, run_id)


def key(run_id: str) -> str:
    return f"orders.stage/{run_id}/score"


def test_a_job_answers_with_the_last_line_of_json_and_links_for_people(cluster: Cluster) -> None:
    said = '{"commit": "c", "days": 1, "rows": 2, "link": "http://10.0.0.1:5000/#/x"}'
    found = task(cluster, f"echo '{{\"a\": 1}}'; echo '{said}'; echo not json >&2").run()
    assert found == {"commit": "c", "days": 1, "rows": 2, "link": "http://127.0.0.1:5000/#/x"}
    assert cluster.pods(key("r1")) == []


def test_a_job_is_told_everything_by_its_environment(cluster: Cluster) -> None:
    script = (
        'python -c \'import json, os; print(json.dumps({**os.environ, "commit": "", "days": 0, "rows": 0}))\''
    )
    found = task(cluster, script, "told", told={"params": '{"C": "$(PATH) $$"}'}).run()
    assert json.loads(found["MILLRACE_JOB"]) == {
        "job": "score",
        "pipeline": "orders",
        "commit": "c0ffee",
        "until": "2024-03-30",
        "run_key": key("told"),
        "params": {"C": "$(PATH) $$"},
        "version": 1,
    }
    assert found["MILLRACE_SECONDS"] == "300"
    assert found["LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"] == HIDDEN
    assert re.fullmatch(rf"{JOB_IMAGE} of pod [0-9a-f-]{{36}}", found["MILLRACE_IMAGE"])
    assert found["MLFLOW_TRACKING_URI"] == "http://10.0.0.1:5000"


def test_no_secret_is_in_what_airflow_or_the_cluster_show(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    found = task(cluster, SLEEPER, "secret")
    asleep = found.begin()
    running = cluster.begun(key("secret"))
    shown = [running.to_dict(), cluster.log(running), found.xcoms, asleep.trigger.serialize()]
    shown += [getattr(found.first, name) for name in found.first.template_fields]
    found.first.on_kill()
    assert "LAKECTL_CREDENTIALS" not in repr(running.spec.containers[0].env)
    assert running.spec.containers[0].env_from[0].secret_ref.name == SECRET
    assert HIDDEN not in repr([*shown, caplog.text])
    assert "client-key-data" not in repr(shown)


def test_the_limits_of_the_documents_are_what_the_cluster_has(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of docs/deployment.md, for a pipeline that says nothing about resources."""
    monkeypatch.setenv("JOB_NAMESPACE", cluster.namespace)
    settings.cache_clear()
    folder = write_pipeline(tmp_path, "orders", training={"runtime": "kubernetes"})
    operator = job_operator(Job.SCORE, catalog.load(folder), commit="c", until="2024-03-30", version="1")
    settings.cache_clear()
    limits = PodTask(operator, "limits")
    limits.begin()
    [pod] = cluster.pods(key("limits"))
    limits.first.on_kill()
    page = (ROOT / "docs/deployment.md").read_text()
    told = dict(re.findall(r"^\| `spec\.(.*?)` \| `(.*?)` \|", page, re.MULTILINE))
    spec = client.ApiClient().sanitize_for_serialization(pod.spec)
    assert {path: json.dumps(_at(spec, path)) for path in told} == told
    assert len(told) == 18


def _at(spec: Any, path: str) -> Any:
    """What a path such as `containers[0].image` leads to."""
    for name in re.findall(r"\w+", path):
        spec = spec[int(name)] if name.isdigit() else spec.get(name)
    return spec


def test_its_limits_hold_inside(cluster: Cluster) -> None:
    probe = (
        "import json, os;"
        'status = dict(l.split(":", 1) for l in open("/proc/self/status"));'
        'out = {n: status[n].strip() for n in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")};'
        'out["root"] = os.access("/", os.W_OK); open("/tmp/x", "w").close();'
        'out["token"] = os.path.exists("/var/run/secrets/kubernetes.io");'
        'out["commit"] = out["days"] = out["rows"] = "";'
        "print(json.dumps(out))"
    )
    assert task(cluster, f"python -c '{probe}'", "inside").run() == {
        "Uid": "10001\t10001\t10001\t10001",
        "CapEff": "0000000000000000",
        "CapBnd": "0000000000000000",
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "root": False,
        "token": False,
        "commit": "",
        "days": "",
        "rows": "",
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [(64, Misconfigured), (65, BadData), (69, Unavailable), (70, JobFailed), (1, JobFailed)],
)
def test_an_exit_code_becomes_the_error_that_the_retries_go_by(
    cluster: Cluster, code: int, kind: type[MillraceError]
) -> None:
    said = """echo '{"error": "X", "message": "the reason"}'"""
    with pytest.raises(kind) as caught:
        task(cluster, f"{said}; exit {code}", f"exit-{code}").run()
    assert type(caught.value) is kind
    told = f"job 'score' of image {JOB_IMAGE!r} ended with exit code {code}: the reason"
    assert str(caught.value) == told
    assert cluster.pods(key(f"exit-{code}")) == []


def test_too_much_memory_is_told_as_what_it_is(cluster: Cluster) -> None:
    with pytest.raises(Misconfigured, match=r"more than its 64Mi of memory; raise training\.resources\.mem"):
        task(cluster, "exec python -c 'x = bytearray(300 * 2**20)'", "memory").run()
    assert cluster.pods(key("memory")) == []


def test_ending_well_without_an_answer_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(Misconfigured, match=r"ended well without an answer for 'score': .*'commit', 'days'"):
        task(cluster, "echo done", "mute").run()


def test_a_try_goes_on_with_the_pod_of_a_dead_worker(cluster: Cluster) -> None:
    task(cluster, f"echo begun; sleep 4; {ANSWER}", "again").begin()
    left = cluster.begun(key("again"))
    second = task(cluster, "exit 70", "again")
    asleep = second.begin()
    assert [pod.metadata.uid for pod in cluster.pods(key("again"))] == [left.metadata.uid]
    assert second.resume(asleep, second.wait(asleep)) == {"commit": "c", "days": 1, "rows": 2}


def test_a_try_takes_the_answer_of_a_pod_that_ended_while_nobody_looked(cluster: Cluster) -> None:
    task(cluster, ANSWER, "unseen").begin()
    cluster.pod(key("unseen"), until=lambda pod: pod.status.phase == "Succeeded")
    assert task(cluster, "exit 70", "unseen").run() == {"commit": "c", "days": 1, "rows": 2}
    assert cluster.pods(key("unseen")) == []


@pytest.mark.parametrize(
    ("script", "told"), [("exit 70", {}), (SLEEPER, {"commit": "beef"})], ids=["failed", "asked-otherwise"]
)
def test_a_pod_that_may_not_go_on_is_gone_before_another_starts(
    cluster: Cluster, script: str, told: dict[str, str], request: pytest.FixtureRequest
) -> None:
    run_id = request.node.callspec.id
    task(cluster, script, run_id, told=told).begin()
    earlier = cluster.pod(key(run_id), until=lambda pod: pod.status.phase in ("Running", "Failed"))
    second = task(cluster, ANSWER, run_id)
    asleep = second.begin()
    [pod] = cluster.pods(key(run_id))
    assert pod.metadata.uid != earlier.metadata.uid
    assert second.resume(asleep, second.wait(asleep))["rows"] == 2


def test_two_tries_at_once_have_one_pod(cluster: Cluster) -> None:
    with beside(task(cluster, f"sleep 2; {ANSWER}", "twins").begin) as ended:
        here = task(cluster, f"sleep 2; {ANSWER}", "twins").begin()
    assert len(cluster.pods(key("twins"))) == 1
    assert "TaskDeferred" in {type(ended[0]).__name__, type(here).__name__}


def test_a_task_that_is_cleared_before_it_sleeps_removes_its_pod(cluster: Cluster) -> None:
    found = task(cluster, SLEEPER, "cleared")
    found.begin()
    cluster.begun(key("cleared"))
    found.first.on_kill()
    cluster.wait_empty(key("cleared"))


def test_a_task_that_is_cleared_while_it_sleeps_removes_its_pod(cluster: Cluster) -> None:
    found = task(cluster, SLEEPER, "cleared-asleep")
    asleep = found.begin()
    cluster.begun(key("cleared-asleep"))
    asyncio.run(found.trigger(asleep).on_kill())
    with pytest.raises(
        Transient, match=r"was stopped from outside \(exit code 143\)|is gone; it was deleted"
    ):
        found.resume(asleep, found.wait(asleep))
    cluster.wait_empty(key("cleared-asleep"))


def test_a_triggerer_that_dies_leaves_the_pod_to_the_next(cluster: Cluster) -> None:
    found = task(cluster, f"echo begun; sleep 3; {ANSWER}", "triggerer")
    asleep = found.begin()
    pod = cluster.begun(key("triggerer"))

    async def die() -> None:
        trigger = found.trigger(asleep)
        waiting = asyncio.ensure_future(anext(trigger.run()))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await trigger.cleanup()

    asyncio.run(die())
    assert [one.metadata.uid for one in cluster.pods(key("triggerer"))] == [pod.metadata.uid]
    assert found.resume(asleep, found.wait(asleep))["rows"] == 2


def test_a_wait_that_breaks_off_leaves_the_pod_to_the_next_try(cluster: Cluster) -> None:
    found = task(cluster, f"echo begun; sleep 3; {ANSWER}", "broken")
    asleep = found.begin()
    pod = cluster.begun(key("broken"))
    event = {"status": "error", "name": pod.metadata.name, "message": "the API server was away"}
    with pytest.raises(Transient, match=r"the wait for pod 'orders-score-\w+' broke off: the API server was"):
        found.resume(asleep, event)
    assert task(cluster, "exit 70", "broken").run()["rows"] == 2


def test_a_task_whose_time_is_over_leaves_no_pod(cluster: Cluster) -> None:
    started = time.monotonic()
    with pytest.raises(JobFailed, match=r"not done after 3 s, its training\.timeout; raise that of 'orders'"):
        task(cluster, SLEEPER, "late", execution_timeout=timedelta(seconds=3)).run()
    assert time.monotonic() - started < 15
    cluster.wait_empty(key("late"))


def test_a_pod_ends_by_itself_where_nobody_waits_for_it(cluster: Cluster) -> None:
    found = task(cluster, SLEEPER, "deadline", active_deadline_seconds=3)
    asleep = found.begin()
    pod = cluster.pod(key("deadline"), until=lambda pod: pod.status.reason == "DeadlineExceeded")
    with pytest.raises(JobFailed, match=r"the job was not done after 300 s, its training\.timeout"):
        found.resume(asleep, {"status": "failed", "name": pod.metadata.name, "message": "-"})


def test_what_outlived_its_task_is_removed_and_what_has_time_left_is_not(cluster: Cluster) -> None:
    now = int(time.time())
    for run_id, over in (("old", now - 60), ("young", now + 600)):
        task(cluster, "exit 0", run_id).begin()
        cluster.client.patch_namespaced_pod(
            cluster.pod(key(run_id)).metadata.name,
            cluster.namespace,
            {"metadata": {"labels": {OVER: f"{over}"}}},
        )
        cluster.pod(key(run_id), until=lambda pod: pod.status.phase == "Succeeded")
    task(cluster, ANSWER, "sweeper").run()
    left = {pod.metadata.annotations[RUN_KEY] for pod in cluster.pods()}
    assert (key("old") in left, key("young") in left) == (False, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"image": "millrace-none:1"},
            r"cannot pull image 'millrace-none:1' \((ErrImagePull|ImagePull).*_SECRET",
        ),
        ({"image": "No Such Image"}, r"cannot pull image 'No Such Image' \(InvalidImageName: .*correct its"),
        (
            {"image": "millrace-none:1", "image_pull_policy": "Never"},
            r"cannot pull image 'millrace-none:1' \(ErrImageNeverPull",
        ),
        ({"secret": "none"}, r'\(CreateContainerConfigError: secret "none" not found\).*correct JOB_SECRET'),
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
            r'serviceaccount "none" not found; make it, or correct JOB_SERVICE',
        ),
        (
            {"namespace": "millrace-none"},
            r'namespaces "millrace-none" not found; make it, or correct JOB_NAME',
        ),
        ({"active_deadline_seconds": -1}, r"the cluster answered 422 .*activeDeadlineSeconds"),
    ],
    ids=["image", "name", "never", "secret", "command", "cpu", "gpu", "node", "account", "namespace", "spec"],
)
def test_what_the_cluster_cannot_do_is_told_at_once(
    cluster: Cluster, options: dict[str, Any], message: str, request: pytest.FixtureRequest
) -> None:
    run_id, started = request.node.callspec.id, time.monotonic()
    with pytest.raises(Misconfigured, match=message) as caught:
        task(cluster, "exit 70", run_id, **options).run()
    assert type(caught.value) is Misconfigured
    assert time.monotonic() - started < 15
    cluster.wait_empty(key(run_id))


def test_a_quota_is_waited_for(cluster: Cluster) -> None:
    quota = client.V1ResourceQuota(
        metadata=client.V1ObjectMeta(name="q"),
        spec=client.V1ResourceQuotaSpec(hard={"limits.memory": "32Mi"}),
    )
    cluster.client.create_namespaced_resource_quota(cluster.namespace, quota)
    try:
        cluster.wait_for_quota("q")
        with pytest.raises(Transient, match=r"exceeded quota: q, .*; it is tried again when others are done"):
            task(cluster, ANSWER, "quota").run()
    finally:
        cluster.client.delete_namespaced_resource_quota("q", cluster.namespace)


@pytest.fixture
def connection(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubeconfig behind Airflow's connection `cluster`: an account that may do nothing."""
    file = account_config(cluster, tmp_path / "config")
    fields = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(file)}}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(fields))
    return file


def test_an_account_needs_the_rights_of_the_documents_and_no_more(cluster: Cluster, connection: Path) -> None:
    asked = task(cluster, ANSWER, "rights", kubernetes_conn_id="cluster")
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
        task(cluster, ANSWER, "away", kubernetes_conn_id="cluster").run()


def test_without_a_cluster_it_says_how_to_name_one(cluster: Cluster, connection: Path) -> None:
    connection.unlink()
    with pytest.raises(
        Misconfigured, match=r"no cluster is known \(Invalid kube-config.*by KUBECONFIG or KUBE"
    ):
        task(cluster, ANSWER, "nowhere", kubernetes_conn_id="cluster").run()


def test_a_pod_that_others_delete_is_tried_again(cluster: Cluster) -> None:
    found = task(cluster, SLEEPER, "deleted")
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
        task(cluster, script, "disk").run()
