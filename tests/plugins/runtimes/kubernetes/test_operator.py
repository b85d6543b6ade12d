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
from airflow.sdk.exceptions import TaskDeferred
from kubernetes import client
from urllib3 import HTTPResponse

from include.contract import loader
from include.exceptions import JobFailed, Transient, Unavailable
from include.jobs.spec import Job
from include.settings import settings
from millrace.runtimes.factory import job_operator
from millrace.runtimes.kubernetes.operator import KubernetesJobOperator
from millrace.runtimes.labels import EXPIRES_AT, RUN_KEY
from tests.support import limits
from tests.support.cluster import (
    ANSWER,
    JOB_IMAGE,
    SECRET,
    SLEEPER,
    Cluster,
    PodTask,
    connect,
    key,
    run_cluster,
    score_task,
)
from tests.support.engine import beside
from tests.support.pipeline import write_pipeline

pytestmark = pytest.mark.kubernetes

HIDDEN = "secret-of-the-lake-1234"
LOGIN = {"LAKECTL_CREDENTIALS_ACCESS_KEY_ID": "key", "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": HIDDEN}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with run_cluster(LOGIN) as found:
        yield found


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that no pod here asks."""
    connect(monkeypatch, HIDDEN)


def test_a_job_returns_the_fields_of_its_result_from_the_last_line_of_json(cluster: Cluster) -> None:
    line = '{"commit": "c", "days": 1, "rows": 2, "of_its_own": "x"}'
    found = score_task(cluster, f"echo '{{}}'; echo '{line}'; echo not json >&2", "r1").run()
    assert found == {"commit": "c", "days": 1, "rows": 2}
    assert cluster.pods(key("r1")) == []


def test_a_job_is_told_everything_by_its_environment(cluster: Cluster) -> None:
    line = '{"commit": json.dumps(dict(os.environ)), "days": 0, "rows": 0}'
    script = f"python -c 'import json, os; print(json.dumps({line}))'"
    result = score_task(cluster, script, "told", told={"params": '{"C": "$(PATH) $$"}'}).run()
    found = json.loads(result["commit"])
    assert json.loads(found["MILLRACE_JOB"]) == {
        "job": "score",
        "pipeline_name": "orders",
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
    found = score_task(cluster, SLEEPER, "secret")
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
    monkeypatch.setenv("MILLRACE_KUBERNETES_NAMESPACE", cluster.namespace)
    settings.cache_clear()
    folder = write_pipeline(tmp_path, "orders", training={"runtime": "kubernetes"})
    operator = job_operator(Job.SCORE, loader.load(folder), commit="c", until="2024-03-30", version="1")
    settings.cache_clear()
    task = PodTask(operator, "limits")
    task.begin()
    [pod] = cluster.pods(key("limits"))
    task.first.on_kill()
    limits.hold(r"spec\..*?", client.ApiClient().sanitize_for_serialization(pod), number=18)


def test_its_limits_hold_inside(cluster: Cluster) -> None:
    probe = (
        "import json, os;"
        'status = dict(l.split(":", 1) for l in open("/proc/self/status"));'
        'out = {n: status[n].strip() for n in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")};'
        'out["root"] = os.access("/", os.W_OK); open("/tmp/x", "w").close();'
        'out["token"] = os.path.exists("/var/run/secrets/kubernetes.io");'
        'print(json.dumps({"commit": json.dumps(out), "days": 0, "rows": 0}))'
    )
    result = score_task(cluster, f"python -c '{probe}'", "inside").run()
    assert json.loads(result["commit"]) == {
        "Uid": "10001\t10001\t10001\t10001",
        "CapEff": "0000000000000000",
        "CapBnd": "0000000000000000",
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "root": False,
        "token": False,
    }


def test_a_try_goes_on_with_the_pod_of_a_dead_worker(cluster: Cluster) -> None:
    score_task(cluster, f"echo begun; sleep 10; {ANSWER}", "again").begin()
    left = cluster.begun(key("again"))
    second = score_task(cluster, "exit 70", "again")
    asleep = second.begin()
    assert [pod.metadata.uid for pod in cluster.pods(key("again"))] == [left.metadata.uid]
    assert second.resume(asleep, second.wait(asleep)) == {"commit": "c", "days": 1, "rows": 2}


def test_a_try_takes_the_answer_of_a_pod_that_ended_while_nobody_looked(cluster: Cluster) -> None:
    score_task(cluster, ANSWER, "unseen").begin()
    cluster.pod(key("unseen"), until=lambda pod: pod.status.phase == "Succeeded")
    assert score_task(cluster, "exit 70", "unseen").run() == {"commit": "c", "days": 1, "rows": 2}
    assert cluster.pods(key("unseen")) == []


@pytest.mark.parametrize(
    ("script", "told"), [("exit 70", {}), (SLEEPER, {"commit": "beef"})], ids=["failed", "asked-otherwise"]
)
def test_a_pod_that_may_not_go_on_is_gone_before_another_starts(
    cluster: Cluster, script: str, told: dict[str, str], request: pytest.FixtureRequest
) -> None:
    run_id = request.node.callspec.id
    score_task(cluster, script, run_id, told=told).begin()
    earlier = cluster.pod(key(run_id), until=lambda pod: pod.status.phase in ("Running", "Failed"))
    second = score_task(cluster, ANSWER, run_id)
    asleep = second.begin()
    [pod] = cluster.pods(key(run_id))
    assert pod.metadata.uid != earlier.metadata.uid
    assert second.resume(asleep, second.wait(asleep))["rows"] == 2


def test_two_tries_at_once_have_one_pod(cluster: Cluster) -> None:
    first, second = (score_task(cluster, SLEEPER, "twins") for _ in range(2))
    with beside(first.begin) as one, beside(second.begin) as other:
        pass
    assert len(cluster.pods(key("twins"))) == 1
    ended = {type(one[0]), type(other[0])}
    assert TaskDeferred in ended
    assert ended <= {TaskDeferred, Transient}  # the second waits for the same pod, now or with its next try


def test_a_task_that_is_cleared_before_it_sleeps_removes_its_pod(cluster: Cluster) -> None:
    found = score_task(cluster, SLEEPER, "cleared")
    found.begin()
    cluster.begun(key("cleared"))
    found.first.on_kill()
    cluster.wait_empty(key("cleared"))


@pytest.mark.parametrize(
    ("step", "late"),
    [("_earlier", False), ("_sweep", False), ("build_pod_request_obj", True), ("get_or_create_pod", True)],
)
def test_a_task_that_is_cleared_before_it_has_a_pod_leaves_none(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, step: str, late: bool
) -> None:
    """Airflow's handler of SIGTERM calls `on_kill` in the same thread, and `execute` goes on."""
    kill_at(monkeypatch, step, late=late)
    with pytest.raises(Transient, match="the task was stopped from outside before its job began"):
        raise score_task(cluster, SLEEPER, "early").begin()
    cluster.wait_empty(key("early"))


def test_a_task_that_is_cleared_as_it_finds_an_earlier_pod_removes_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_task(cluster, SLEEPER, "found").begin()
    cluster.begun(key("found"))
    kill_at(monkeypatch, "_earlier", late=True)
    with pytest.raises(Transient, match="the task was stopped from outside before its job began"):
        raise score_task(cluster, SLEEPER, "found").begin()
    cluster.wait_empty(key("found"))


def kill_at(monkeypatch: pytest.MonkeyPatch, step: str, *, late: bool) -> None:
    """Stop tasks right before or after one of their steps."""
    call = getattr(KubernetesJobOperator, step)

    def killed(operator: KubernetesJobOperator, *arguments: Any, **options: Any) -> Any:
        if late:
            answered = call(operator, *arguments, **options)
        operator.on_kill()
        return answered if late else call(operator, *arguments, **options)

    monkeypatch.setattr(KubernetesJobOperator, step, killed)


def test_a_task_that_is_cleared_while_it_sleeps_removes_its_pod(cluster: Cluster) -> None:
    found = score_task(cluster, SLEEPER, "cleared-asleep")
    asleep = found.begin()
    cluster.begun(key("cleared-asleep"))
    asyncio.run(found.trigger(asleep).on_kill())
    with pytest.raises(
        Transient, match=r"was stopped from outside \(exit code 143\)|is gone; it was deleted"
    ):
        found.resume(asleep, found.wait(asleep))
    cluster.wait_empty(key("cleared-asleep"))


def test_the_next_try_of_a_task_that_was_cleared_asleep_does_not_take_up_the_pod_that_goes(
    cluster: Cluster,
) -> None:
    first = score_task(cluster, SLEEPER, "cleared-again")
    asleep = first.begin()
    cluster.begun(key("cleared-again"))
    second = score_task(cluster, ANSWER, "cleared-again")
    with beside(second.run) as answered:
        time.sleep(1)  # the triggerer looks for what is waited for no more once a second
        asyncio.run(first.trigger(asleep).on_kill())
    assert answered == [{"commit": "c", "days": 1, "rows": 2}]
    cluster.wait_empty(key("cleared-again"))


def test_a_triggerer_that_dies_leaves_the_pod_to_the_next(cluster: Cluster) -> None:
    found = score_task(cluster, f"echo begun; sleep 3; {ANSWER}", "triggerer")
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
    found = score_task(cluster, f"echo begun; sleep 3; {ANSWER}", "broken")
    asleep = found.begin()
    pod = cluster.begun(key("broken"))
    event = {"status": "error", "name": pod.metadata.name, "message": "the API server was away"}
    with pytest.raises(Transient, match=r"the wait for pod 'orders-score-\w+' broke off: the API server was"):
        found.resume(asleep, event)
    assert score_task(cluster, "exit 70", "broken").run()["rows"] == 2


def test_an_answer_that_cannot_be_noted_is_taken_by_the_next_try(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("MLflow does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(KubernetesJobOperator, "_set_image", away)
        with pytest.raises(Unavailable):
            score_task(cluster, ANSWER, "noted").run()
    assert score_task(cluster, "exit 70", "noted").run()["rows"] == 2
    assert cluster.pods(key("noted")) == []


def test_a_pod_whose_log_is_lost_is_run_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = HTTPResponse(b"unable to retrieve container logs for containerd://1f", preload_content=False)
    with monkeypatch.context() as patch:
        patch.setattr(client.CoreV1Api, "read_namespaced_pod_log", lambda *_, **__: gone)
        with pytest.raises(Transient, match=r"the log of pod 'orders-score-\w+' is gone, and its result"):
            score_task(cluster, ANSWER, "lost").run()
    assert score_task(cluster, ANSWER, "lost").run()["rows"] == 2


def test_a_task_whose_time_is_over_leaves_no_pod(cluster: Cluster) -> None:
    started = time.monotonic()
    with pytest.raises(JobFailed, match=r"not done after 3 s, its training\.timeout; raise that of 'orders'"):
        score_task(cluster, SLEEPER, "late", execution_timeout=timedelta(seconds=3)).run()
    assert time.monotonic() - started < 45
    cluster.wait_empty(key("late"))


def test_a_pod_ends_by_itself_where_nobody_waits_for_it(cluster: Cluster) -> None:
    found = score_task(cluster, SLEEPER, "deadline", active_deadline_seconds=3)
    asleep = found.begin()
    pod = cluster.pod(key("deadline"), until=lambda pod: pod.status.reason == "DeadlineExceeded")
    with pytest.raises(JobFailed, match=r"the job was not done after 300 s, its training\.timeout"):
        found.resume(asleep, {"status": "failed", "name": pod.metadata.name, "message": "-"})


def test_what_outlived_its_task_is_removed_and_what_has_time_left_is_not(cluster: Cluster) -> None:
    now = int(time.time())
    for run_id, over in (("old", now - 60), ("young", now + 600)):
        score_task(cluster, "exit 0", run_id).begin()
        cluster.client.patch_namespaced_pod(
            cluster.pod(key(run_id)).metadata.name,
            cluster.namespace,
            {"metadata": {"labels": {EXPIRES_AT: f"{over}"}}},
        )
        cluster.pod(key(run_id), until=lambda pod: pod.status.phase == "Succeeded")
    score_task(cluster, ANSWER, "sweeper").run()
    left = {pod.metadata.annotations[RUN_KEY] for pod in cluster.pods()}
    assert (key("old") in left, key("young") in left) == (False, True)
