"""Jobs in containers of a real engine: their inputs, their limits, and their ends."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from docker.types import LogConfig

from include.contract import loader
from include.exceptions import BadData, JobFailed, MillraceError, Misconfigured, Unavailable
from include.jobs.spec import Job
from include.settings import ROOT, Pull
from millrace.runtimes.factory import job_operator
from tests.support import limits
from tests.support.engine import ANSWER, DEPLOYMENT, Engine, beside, connect, train_task
from tests.support.pipeline import write_pipeline
from tests.support.task import Task

pytestmark = pytest.mark.docker

SECRET = "secret-of-the-lake-1234"


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that no container here asks."""
    connect(monkeypatch, SECRET)


def test_a_job_answers_with_the_last_line_of_json_and_links_for_people(engine: Engine) -> None:
    image = engine.script("echo '{\"a\": 1}'", ANSWER, "echo not json >&2")
    assert train_task(image).run() == {"run_id": "r", "link": "http://127.0.0.1:5000/#/x"}
    assert engine.containers("orders.stage/r1/train") == []


def test_a_job_is_told_everything_by_its_private_environment(engine: Engine) -> None:
    image = engine.script("env >&2", 'echo "$1" >&2', ANSWER)
    found = train_task(image, told={"params": '{"C": 1}'}, execution_timeout=timedelta(minutes=5))
    found.run()
    told = found.operator._private_environment
    assert json.loads(told["MILLRACE_JOB"]) == {
        "job": "train",
        "pipeline_name": "orders",
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
    found = train_task(sleeper, "secret")
    with beside(found.run):
        running = engine.begun("secret")
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
    monkeypatch.setenv("MILLRACE_DEPLOYMENT", DEPLOYMENT)
    folder = write_pipeline(tmp_path, "orders", training={"runtime": "docker", "image": sleeper})
    use_pipelines(tmp_path)
    operator = job_operator(Job.TRAIN, loader.load(folder), commit="c", until="2024-03-30")
    with beside(Task(operator, "limits").run):
        enforced = engine.begun("limits").attrs
        operator.on_kill()
    limits.hold(r"(?:Host)?Config\.[\w.]+", enforced, number=14)


@pytest.mark.usefixtures("engine")
def test_the_driver_of_logs_is_named_whatever_the_engines_own_is() -> None:
    asked = train_task("any").operator.cli.create_host_config(log_config=LogConfig(config={}))
    assert asked["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m"}}


def test_its_limits_hold_inside(engine: Engine) -> None:
    probe = (
        "import json, os, socket;"
        "status = dict(l.split(':', 1) for l in open('/proc/self/status'));"
        "out = {n: status[n].strip() for n in ('Uid', 'CapEff', 'CapBnd', 'NoNewPrivs')};"
        "out['root'] = os.access('/', os.W_OK); open('/tmp/x', 'w').close();"
        "s = socket.socket(); s.settimeout(2); out['outside'] = s.connect_ex(('1.1.1.1', 443)) == 0;"
        "print(json.dumps({'run_id': json.dumps(out), 'link': ''}))"
    )
    result = train_task(engine.script(f'python -c "{probe}"')).run()
    assert json.loads(result["run_id"]) == {
        "Uid": "10001\t10001\t10001\t10001",
        "CapEff": "0000000000000000",
        "CapBnd": "0000000000000000",
        "NoNewPrivs": "1",
        "root": False,
        "outside": False,
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
        train_task(image).run()
    assert type(caught.value) is kind
    assert str(caught.value) == f"job 'train' of image {image!r} ended with exit code {code}: the reason"
    assert engine.containers("orders.stage/r1/train") == []


def test_too_much_memory_is_told_as_what_it_is(engine: Engine) -> None:
    image = engine.script("python -c 'x = bytearray(300 * 2**20)'")
    with pytest.raises(Misconfigured, match=r"more than its 128 MiB of memory; raise training\.resources"):
        train_task(image).run()


def test_ending_well_without_an_answer_is_an_error(engine: Engine) -> None:
    with pytest.raises(Misconfigured, match=r"ended with 0 and printed no result of 'train'"):
        train_task(engine.script("echo done")).run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"image": "millrace-none:1", "pull": Pull.NEVER},
            "not on the engine, and MILLRACE_JOB_IMAGE_PULL is 'never'",
        ),
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
        train_task(**{"image": sleeper, "run_id": "refused", **options}).run()
    assert engine.containers("orders.stage/refused/train") == []


def test_what_a_job_asks_the_engine_for_is_what_the_proxy_of_compose_passes(
    engine: Engine, sleeper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"conn_type": "docker", "host": "127.0.0.1:1", "login": "l", "password": "password"}
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRY", json.dumps(nowhere))
    engine.left_over(sleeper, "orders.stage/proxy/train", 0)
    image = engine.script(ANSWER)
    asked, send = set[str](), requests.Session.send

    def note(session: Any, request: Any, **options: Any) -> Any:
        asked.add(f"{request.method} {re.sub('^/v[0-9.]+/', '/', urlsplit(request.url).path)}")
        return send(session, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "send", note)
        train_task(image, "proxy").run()
        for options in ({"image": "127.0.0.1:1/none:1"}, {"image": "any", "docker_conn_id": "registry"}):
            with pytest.raises(MillraceError):
                train_task(**options).run()
    text = (ROOT / "include/platform/compose/docker-proxy.cfg").read_text()
    rules = re.findall(r"allow if { method (\w+) } { var\(txn\.path\) -m reg \^(\S+)\$ }", text)
    used = {rule: {call for call in asked if re.fullmatch(" ".join(rule), call)} for rule in rules}
    assert set().union(*used.values()) == asked
    assert [rule for rule, calls in used.items() if not calls] == []
    assert text.count("allow if") == len(rules) == 7


def test_gpus_that_are_not_there_are_told_at_once(engine: Engine, sleeper: str) -> None:
    from millrace.runtimes.docker.engine import gpus

    if "nvidia" in engine.client.info()["Runtimes"]:
        pytest.skip("this engine has GPUs")
    with pytest.raises(Misconfigured, match="could not select device driver"):
        train_task(sleeper, device_requests=gpus(1)).run()


def test_an_engine_that_is_away_is_waited_for() -> None:
    with pytest.raises(Unavailable, match=r"does not answer; start it, or correct DOCKER_HOST"):
        train_task("any", docker_url="unix:///nowhere.sock").run()
