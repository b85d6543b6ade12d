"""Jobs in containers of a real engine: what they are confined to, how they end, what is left of them."""

from __future__ import annotations

import gc
import json
import re
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from docker.types import LogConfig

from include import catalog
from include.exceptions import BadData, JobFailed, MillraceError, Misconfigured, Transient, Unavailable
from include.jobs.spec import Job
from include.settings import ROOT, Pull
from millrace.jobs import job_operator
from millrace.labels import DEPLOYMENT, OVER, RUN_KEY
from millrace.operators.docker_job import DockerJobOperator
from tests.support import limits
from tests.support.engine import DEPLOYMENT as OWN
from tests.support.engine import Engine, beside, run_engine
from tests.support.pipeline import write_pipeline
from tests.support.task import Task

pytestmark = pytest.mark.docker

NEIGHBOUR = f"{OWN}-neighbour"
"""Another deployment on the same engine."""
ANSWER = """echo '{"run_id": "r", "link": "http://10.0.0.1:5000/#/x"}'"""
SECRET = "secret-of-the-lake-1234"
MIB = 2**20


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with run_engine() as found:
        found.gateway()
        yield found


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that no container here asks."""
    lake = {"conn_type": "lakefs", "host": "http://127.0.0.1:1", "login": "key", "password": SECRET}
    mlflow = {
        "conn_type": "http",
        "host": "http://127.0.0.1:5000",
        "extra": {"container_host": "http://10.0.0.1:5000"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(lake))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(mlflow))


def task(image: str, run_id: str = "r1", **options: Any) -> Task:
    told = {"commit": "c0ffee", "until": "2024-03-30", **options.pop("told", {})}
    given = {"cpus": 0.5, "mem_limit": 128 * MIB, "network_mode": "millrace", "deployment": OWN, **options}
    operator = DockerJobOperator(
        task_id="train", pipeline="orders", job="train", told=told, image=image, **given
    )
    return Task(operator, run_id)


def wait_for(engine: Engine, run_id: str) -> Any:
    """The running container of a run, once its script says that it has begun."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for found in engine.containers(f"orders.stage/{run_id}/train"):
            if b"begun" in found.logs():
                return found
        time.sleep(0.05)
    raise AssertionError(f"no container of {run_id} has begun")


@pytest.fixture(scope="module")
def sleeper(engine: Engine) -> str:
    """An image that works until it is told to stop."""
    return engine.script("trap 'echo told to stop; exit 143' TERM", "echo begun", "sleep 120 & wait")


def test_a_job_answers_with_the_last_line_of_json_and_links_for_people(engine: Engine) -> None:
    image = engine.script("echo '{\"a\": 1}'", ANSWER, "echo not json >&2")
    assert task(image).run() == {"run_id": "r", "link": "http://127.0.0.1:5000/#/x"}
    assert engine.containers("orders.stage/r1/train") == []


def test_a_job_is_told_everything_by_its_private_environment(engine: Engine) -> None:
    image = engine.script("env >&2", 'echo "$1" >&2', ANSWER)
    found = task(image, told={"params": '{"C": 1}'}, execution_timeout=timedelta(minutes=5))
    found.run()
    told = found.operator._private_environment
    assert json.loads(told["MILLRACE_JOB"]) == {
        "job": "train",
        "pipeline": "orders",
        "commit": "c0ffee",
        "until": "2024-03-30",
        "run_key": "orders.stage/r1/train",
        "params": {"C": 1},
    }
    assert told["MILLRACE_SECONDS"] == "300"
    assert told["LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"] == SECRET
    assert told["MILLRACE_IMAGE"] == f"{image}@{engine.client.images.get(image).id}"
    assert told["MLFLOW_TRACKING_URI"] == "http://10.0.0.1:5000"


def test_no_secret_is_in_what_airflow_shows_the_labels_the_logs_or_the_image(
    engine: Engine, sleeper: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = task(sleeper, "secret")
    with beside(found.run):
        running = wait_for(engine, "secret")
        shown = [running.labels, running.attrs["Args"], running.attrs["Path"], running.logs().decode()]
        shown += [running.image.attrs, running.image.history()]
        shown += [getattr(found.operator, name) for name in found.operator.template_fields]
        shown += [found.operator.environment, found.operator.command]
        found.operator.on_kill()
    assert f"LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY={SECRET}" in running.attrs["Config"]["Env"]
    assert SECRET not in repr([*shown, caplog.text])


def test_the_limits_of_the_documents_are_what_the_engine_enforces(
    engine: Engine, sleeper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_pipelines: Any
) -> None:
    """The table of docs/deployment.md, for a pipeline that says nothing about resources."""
    monkeypatch.setenv("DEPLOYMENT", OWN)
    folder = write_pipeline(tmp_path, "orders", training={"runtime": "docker", "image": sleeper})
    use_pipelines(tmp_path)
    operator = job_operator(Job.TRAIN, catalog.load(folder), commit="c", until="2024-03-30")
    with beside(Task(operator, "limits").run):
        enforced = wait_for(engine, "limits").attrs
        operator.on_kill()
    limits.hold(r"(?:Host)?Config\.[\w.]+", enforced, number=14)


def test_the_driver_of_logs_is_named_whatever_the_engines_own_is() -> None:
    asked = task("any").operator.cli.create_host_config(log_config=LogConfig(config={}))
    assert asked["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m"}}


def test_its_limits_hold_inside(engine: Engine) -> None:
    probe = (
        "import json, os, socket;"
        "status = dict(l.split(':', 1) for l in open('/proc/self/status'));"
        "out = {n: status[n].strip() for n in ('Uid', 'CapEff', 'CapBnd', 'NoNewPrivs')};"
        "out['root'] = os.access('/', os.W_OK); open('/tmp/x', 'w').close();"
        "s = socket.socket(); s.settimeout(2); out['outside'] = s.connect_ex(('1.1.1.1', 443)) == 0;"
        "out['run_id'] = out['link'] = '';"
        "print(json.dumps(out))"
    )
    assert task(engine.script(f'python -c "{probe}"')).run() == {
        "Uid": "10001\t10001\t10001\t10001",
        "CapEff": "0000000000000000",
        "CapBnd": "0000000000000000",
        "NoNewPrivs": "1",
        "root": False,
        "outside": False,
        "run_id": "",
        "link": "",
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [(64, Misconfigured), (65, BadData), (69, Unavailable), (70, JobFailed), (1, JobFailed)],
)
def test_an_exit_code_becomes_the_error_that_the_retries_go_by(
    engine: Engine, code: int, kind: type[MillraceError]
) -> None:
    image = engine.script('echo \'{"error": "X", "message": "the reason"}\'', f"exit {code}")
    with pytest.raises(kind) as caught:
        task(image).run()
    assert type(caught.value) is kind
    assert str(caught.value) == f"job 'train' of image {image!r} ended with exit code {code}: the reason"
    assert engine.containers("orders.stage/r1/train") == []


def test_too_much_memory_is_told_as_what_it_is(engine: Engine) -> None:
    image = engine.script("python -c 'x = bytearray(300 * 2**20)'")
    with pytest.raises(Misconfigured, match=r"more than its 128 MiB of memory; raise training\.resources"):
        task(image).run()


def test_ending_well_without_an_answer_is_an_error(engine: Engine) -> None:
    with pytest.raises(Misconfigured, match=r"ended well without an answer for 'train': .*'link', 'run_id'"):
        task(engine.script("echo done")).run()


def test_a_task_that_is_cleared_stops_its_container(engine: Engine, sleeper: str) -> None:
    found = task(sleeper, "cleared")
    with beside(found.run) as ended:
        wait_for(engine, "cleared")
        found.operator.on_kill()
    assert type(ended[0]) is Transient
    assert str(ended[0]) == "the job's container was stopped from outside (exit code 143)"
    assert engine.containers("orders.stage/cleared/train") == []


@pytest.fixture
def broken_off() -> Iterator[None]:
    """For tasks that end between attach and start: the provider leaves the stream to the process's end."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("broken_off")
@pytest.mark.parametrize("step", ["containers", "images", "create_container", "attach", "start"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_task_that_is_cleared_before_its_container_runs_never_starts_it(
    engine: Engine, sleeper: str, monkeypatch: pytest.MonkeyPatch, step: str, late: bool
) -> None:
    """Airflow's handler of SIGTERM calls `on_kill` in the same thread, and `execute` goes on."""
    found = task(sleeper, "early")
    client, asked = found.operator.hook.api_client, time.time()
    kill_at(monkeypatch, client, step, found.operator, late=late)
    with pytest.raises(Transient) as caught:
        found.run()
    began = engine.client.events(
        since=asked, until=time.time() + 1, decode=True, filters={"type": "container", "image": sleeper}
    )
    assert engine.containers("orders.stage/early/train") == []
    if (step, late) == ("start", True):  # it ran for a moment, and was told to stop
        return
    assert "start" not in [event["Action"] for event in began]
    # Where it was made already it is taken away, and its start is refused by the engine.
    assert re.search(
        "from outside before its job began|No such container: .* from outside", str(caught.value)
    )


def test_a_pull_ends_with_its_task(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    found = task("millrace-none:1", "pulling")
    said = iter([{"status": "pulling"}] * 2)
    monkeypatch.setattr(found.operator.hook.api_client, "pull", lambda *_, **__: (line for line in said))
    kill_at(monkeypatch, found.operator.hook.api_client, "pull", found.operator, late=False)
    with pytest.raises(Transient, match="before its job began"):
        found.run()
    assert len(list(said)) == 1


def kill_at(monkeypatch: pytest.MonkeyPatch, client: Any, step: str, operator: Any, *, late: bool) -> None:
    """Let the task be told to end right before or after a call of the engine's client."""
    call = getattr(client, step)

    def killed(*arguments: Any, **options: Any) -> Any:
        if late:
            answered = call(*arguments, **options)
        operator.on_kill()
        return answered if late else call(*arguments, **options)

    monkeypatch.setattr(client, step, killed)


def test_a_task_whose_time_is_over_leaves_no_container(engine: Engine, sleeper: str) -> None:
    found = task(sleeper, "late")
    started = time.monotonic()
    with pytest.raises(AirflowTaskTimeout), timeout(2):
        found.run()
    found.operator.on_kill()  # as Airflow does then
    assert time.monotonic() - started < 10
    assert engine.containers("orders.stage/late/train") == []


def test_a_container_that_does_not_listen_is_killed(engine: Engine) -> None:
    found = task(engine.script("trap '' TERM", "echo begun", "sleep 120"), "deaf")
    with beside(found.run) as ended:
        wait_for(engine, "deaf")
        found.operator.on_kill()
    assert str(ended[0]) == "the job's container was stopped from outside (exit code 137)"


def test_a_new_try_ends_the_container_of_a_dead_worker(engine: Engine, sleeper: str) -> None:
    dead = task(sleeper, "again")
    with beside(dead.run) as ended:
        orphan = wait_for(engine, "again")
        answer = task(engine.script(ANSWER), "again").run()
    assert answer["run_id"] == "r"
    assert type(ended[0]) is Transient
    assert [orphan.id in {one.id for one in engine.containers()}] == [False]


def left_over(engine: Engine, image: str, run_key: str, over: int, deployment: str = OWN) -> Any:
    """A container that a dead worker left."""
    labels = {DEPLOYMENT: deployment, RUN_KEY: run_key, OVER: f"{over}"}
    return engine.client.containers.run(image, detach=True, labels=labels)


@pytest.mark.usefixtures("broken_off")
@pytest.mark.parametrize("step", ["attach", "wait", "inspect_container"])
def test_a_container_that_somebody_removed_is_run_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    found = task(engine.script("exit 70"), "gone")
    client = found.operator.hook.api_client
    call = getattr(client, step)

    def removed(container: str, *arguments: Any, **options: Any) -> Any:
        engine.client.api.remove_container(found.operator.container["Id"], force=True)
        return call(container, *arguments, **options)

    monkeypatch.setattr(client, step, removed)
    with pytest.raises(Transient) as caught:
        found.run()
    assert type(caught.value) is Transient
    gone = f"404: No such container: {found.operator.container['Id']}; somebody removed it from outside"
    assert str(caught.value) == f"the Docker engine at {found.operator.docker_url!r} answered {gone}"


def test_what_outlived_its_task_is_removed_and_what_has_time_left_is_not(
    engine: Engine, sleeper: str
) -> None:
    now = int(time.time())
    old, young = (left_over(engine, sleeper, f"{over}", over) for over in (now - 60, now + 600))
    task(engine.script(ANSWER), "sweeper").run()
    left = {found.id for found in engine.containers()}
    assert (old.id in left, young.id in left) == (False, True)


def test_what_another_deployment_left_is_its_own(engine: Engine, sleeper: str) -> None:
    old = left_over(engine, sleeper, "orders.stage/neighbour/train", int(time.time()) - 60, NEIGHBOUR)
    task(engine.script(ANSWER), "neighbour").run()
    old.reload()
    assert old.status == "running"


def test_the_same_run_of_two_deployments_runs_twice_on_one_engine(engine: Engine, sleeper: str) -> None:
    other = task(sleeper, "twice", deployment=NEIGHBOUR)
    mine = task(sleeper, "twice")
    with beside(other.run) as others, beside(mine.run) as ended:
        wait_for(engine, "twice")
        mine.operator.on_kill()
        answer = task(engine.script(ANSWER), "twice").run()
        assert others == []
        other.operator.on_kill()
    assert answer["run_id"] == "r"
    assert [type(one) for one in (*others, *ended)] == [Transient, Transient]


def test_a_deployment_without_a_name_is_told_so(sleeper: str) -> None:
    with pytest.raises(Misconfigured, match=r"DEPLOYMENT is '': .* set it to a name that no other Airflow"):
        task(sleeper, deployment="").run()


def test_two_tasks_may_remove_the_same_leftover(engine: Engine, sleeper: str) -> None:
    for _ in range(3):
        left_over(engine, sleeper, "old", int(time.time()) - 60)
    image = engine.script(ANSWER)
    with beside(task(image, "one").run) as ended:
        answer = task(image, "two").run()
    assert ended == [answer]
    assert engine.containers("old") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "millrace-none:1", "pull": Pull.NEVER}, "not on the engine, and IMAGE_PULL is 'never'"),
        ({"network_mode": "no-such-network"}, "no-such-network not found; correct the image, training"),
        ({"cpus": 1000.0}, "Range of CPUs"),
        ({"mem_limit": 1024}, "Minimum memory limit"),
    ],
    ids=["image", "network", "cpu", "memory"],
)
def test_what_the_engine_cannot_give_is_told_at_once(
    engine: Engine, sleeper: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(Misconfigured, match=message):
        task(**{"image": sleeper, "run_id": "refused", **options}).run()
    assert engine.containers("orders.stage/refused/train") == []


def test_what_a_job_asks_the_engine_for_is_what_the_proxy_of_compose_passes(
    engine: Engine, sleeper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"conn_type": "docker", "host": "127.0.0.1:1", "login": "l", "password": "password"}
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRY", json.dumps(nowhere))
    left_over(engine, sleeper, "orders.stage/proxy/train", 0)
    image = engine.script(ANSWER)
    asked, send = set[str](), requests.Session.send

    def note(session: Any, request: Any, **options: Any) -> Any:
        asked.add(f"{request.method} {re.sub('^/v[0-9.]+/', '/', urlsplit(request.url).path)}")
        return send(session, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "send", note)
        task(image, "proxy").run()
        for options in ({"image": "127.0.0.1:1/none:1"}, {"image": "any", "docker_conn_id": "registry"}):
            with pytest.raises(MillraceError):
                task(**options).run()
    text = (ROOT / "include/compose/docker-proxy.cfg").read_text()
    rules = re.findall(r"allow if { method (\w+) } { var\(txn\.path\) -m reg \^(\S+)\$ }", text)
    used = {rule: {call for call in asked if re.fullmatch(" ".join(rule), call)} for rule in rules}
    assert set().union(*used.values()) == asked
    assert [rule for rule, calls in used.items() if not calls] == []
    assert text.count("allow if") == len(rules) == 7


def test_gpus_that_are_not_there_are_told_at_once(engine: Engine, sleeper: str) -> None:
    from millrace.engine import gpus

    if "nvidia" in engine.client.info()["Runtimes"]:
        pytest.skip("this engine has GPUs")
    with pytest.raises(Misconfigured, match="could not select device driver"):
        task(sleeper, device_requests=gpus(1)).run()


def test_an_engine_that_is_away_is_waited_for() -> None:
    with pytest.raises(Unavailable, match=r"does not answer; start it, or correct DOCKER_HOST"):
        task("any", docker_url="unix:///nowhere.sock").run()
