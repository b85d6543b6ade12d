"""The jobs of a pipeline in containers of the job image, with a real lake and a real MLflow."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from include.exceptions import BadData, Misconfigured, Transient, Unavailable
from include.governance import promotion
from include.jobs.spec import Job
from include.modelling.comparison import Scores
from include.monitoring.decision import decide
from include.settings import ROOT, Runtime
from include.tracking.tags import Tag
from millrace.runtimes.factory import job_operator
from tests.jobs.test_main import SLOW
from tests.support import job_contract, lifeline
from tests.support.engine import DEPLOYMENT, JOB_IMAGE, NETWORK, Engine, beside, run_engine
from tests.support.lake import LakeServer
from tests.support.loop import DAYS, Loop
from tests.support.pipeline import day
from tests.support.services import Services, run_services, wait_until_it_answers
from tests.support.task import Task

pytestmark = pytest.mark.docker
WITH_PIPELINES = "FROM millrace-job:latest\nCOPY pipelines/ include/pipelines/\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with run_engine() as found:
        yield found


@pytest.fixture(scope="module")
def services(
    engine: Engine, lake_server: LakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    with run_services(lake_server, engine.gateway(), tmp_path_factory.mktemp("mlflow")) as found:
        yield found


@pytest.fixture
def shop(loop: Loop, services: Services, monkeypatch: pytest.MonkeyPatch, use_pipelines: Any) -> Loop:
    """A pipeline with a month of orders, whose jobs run in containers."""
    services.connect(monkeypatch)
    monkeypatch.setenv("MILLRACE_RUNTIME", Runtime.DOCKER.value)
    monkeypatch.setenv("MILLRACE_DEPLOYMENT", DEPLOYMENT)
    use_pipelines(loop.folder.parent)
    return Loop(loop.folder, loop.lake, services.tracking)


def use_image(shop: Loop, image: str) -> None:
    file = shop.folder / "pipeline.yaml"
    contract = yaml.safe_load(file.read_text())
    contract["training"]["image"] = image
    file.write_text(yaml.safe_dump(contract))


def image_of(shop: Loop, engine: Engine, dockerfile: str = WITH_PIPELINES) -> str:
    """The image of a pipeline as its folder is now; the pipeline's jobs run in it from here on."""
    image = engine.build(dockerfile, shop.folder.parent.parent)
    use_image(shop, image)
    return image


def task(shop: Loop, job: Job, run_id: str = "r1", until: int = DAYS - 1, **told: str) -> Task:
    given = {"commit": shop.head, "until": day(until).isoformat(), **told}
    stage = "train" if job in (Job.TRAIN, Job.EVALUATE) else "monitor"
    return Task(job_operator(job, shop.pipeline, **given), run_id, dag_id=f"{shop.folder.name}.{stage}")


def runs(shop: Loop) -> list[str]:
    """How the trainings ended, in order."""
    found = shop.experiment("train")
    order = ["attributes.start_time ASC"]
    return [run.info.status for run in found.client.search_runs([found.id], order_by=order)]


def wait_until_it_fits(shop: Loop) -> None:
    deadline = time.monotonic() + 60
    while not runs(shop) and time.monotonic() < deadline:
        time.sleep(0.2)


def run_all(shop: Loop, **params: Any) -> dict[Job, dict[str, Any]]:
    """The answers of all four jobs, with a champion made of the first one's."""
    found = {Job.TRAIN: task(shop, Job.TRAIN, params=json.dumps(params)).run()}
    run_id = found[Job.TRAIN]["run_id"]
    found[Job.EVALUATE] = task(shop, Job.EVALUATE, candidate=run_id).run()
    version, commit = f"{shop.promote(run_id)}", shop.head
    found[Job.SCORE] = task(shop, Job.SCORE, version=version, commit=commit).run()
    scored = found[Job.SCORE]["commit"]
    found[Job.MEASURE] = task(
        shop, Job.MEASURE, version=version, commit=commit, predictions_commit=scored
    ).run()
    return found


def judge(shop: Loop) -> dict[str, Any]:
    """What the drift sensor decides about the day."""
    as_of, run = day(DAYS - 1), shop.identity("monitor")
    decision = decide(shop.pipeline, shop.history, shop.ledger, as_of=as_of, version=1, run=run)
    assert decision
    return decision.to_json()


def test_every_job_of_the_loop_runs_in_a_container(shop: Loop, engine: Engine) -> None:
    image = image_of(shop, engine)
    found = run_all(shop, C=0.5)
    trained, scores, scored, measured = found.values()
    assert trained == task(shop, Job.TRAIN, params='{"C": 0.5}').run()
    assert trained["link"].startswith(f"{shop.tracking.uri}/#/experiments/")
    assert (scores["rows"], scored["days"], scored["rows"]) == (600, 3, 360)
    digest = f"{image}@{engine.client.images.get(image).id}"
    tags = [shop.logged(trained["run_id"]).data.tags, shop.logged(measured["run_id"], "monitor").data.tags]
    assert [found[Tag.IMAGE] for found in tags] == [digest] * 2
    assert shop.evaluate(trained["run_id"]).candidate == scores["candidate"]


@pytest.mark.parametrize("signal", [pytest.param("SIGTERM", marks=pytest.mark.soak), "SIGKILL"])
def test_a_killed_training_leaves_one_version_and_no_container(
    shop: Loop, engine: Engine, signal: str
) -> None:
    model = (shop.folder / "model.py").read_text()
    (shop.folder / "model.py").write_text(SLOW)
    image_of(shop, engine)
    with beside(task(shop, Job.TRAIN).run) as ended:
        wait_until_it_fits(shop)
        [running] = engine.containers(f"{shop.folder.name}.train/r1/train")
        running.kill(signal)
    assert type(ended[0]) is Transient
    assert runs(shop) == ["KILLED" if signal == "SIGTERM" else "RUNNING"]
    (shop.folder / "model.py").write_text(model)
    image_of(shop, engine)
    answers = [task(shop, Job.TRAIN).run() for _ in range(2)]
    assert runs(shop) == ["KILLED", "FINISHED"]
    assert [shop.promote(answer["run_id"]) for answer in answers] == [1, 1]
    assert engine.containers(f"{shop.folder.name}.train/r1/train") == []


def test_a_try_that_overtakes_a_dead_workers_container_trains_alone(shop: Loop, engine: Engine) -> None:
    model = (shop.folder / "model.py").read_text()
    (shop.folder / "model.py").write_text(SLOW)
    image_of(shop, engine)
    with beside(task(shop, Job.TRAIN).run):
        wait_until_it_fits(shop)
        (shop.folder / "model.py").write_text(model)
        image_of(shop, engine)
        answer = task(shop, Job.TRAIN).run()
    assert runs(shop) == ["KILLED", "FINISHED"]
    assert shop.experiment("train").open_run(answer["run_id"]).model_id


def built(shop: Loop, engine: Engine, dockerfile: str, *files: Path) -> None:
    """Let the pipeline's jobs run in an image of its own, made from a Dockerfile of docs/job-contract.md."""
    build = shop.folder.parent.parent / "build"
    shutil.copytree(shop.folder, build / "pipelines" / shop.folder.name)
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    for file in (*files, *([bundle] if bundle.exists() else [])):
        shutil.copy(file, build / ("ca-bundle.pem" if file == bundle else file.name))
    use_image(shop, engine.build(dockerfile, build, TOOLS_IMAGE=JOB_IMAGE, BASE_IMAGE=JOB_IMAGE))


@pytest.mark.soak
@pytest.mark.timeout(600)  # what is in the image is fetched, and jobs start cold
def test_the_image_with_another_library_does_all_jobs(shop: Loop, engine: Engine) -> None:
    page = (ROOT / "docs/job-contract.md").read_text()
    blocks = dict(re.findall(r"```(dockerfile|python)\n(.*?)```", page, re.DOTALL))
    changed = shop.change(model={"params": {"n_estimators": 20}})
    (changed.folder / "model.py").write_text(blocks["python"])
    built(changed, engine, blocks["dockerfile"])
    found = run_all(changed)
    trained, scores, scored, measured = found.values()
    assert job_contract.missing(changed, found) == {}
    assert changed.logged(trained["run_id"]).data.params["n_estimators"] == "20"
    assert 0.6 < scores["candidate"] < 1
    assert (scored["days"], scored["rows"]) == (3, 360)
    assert measured["run_id"] == changed.experiment("monitor").find_runs(limit=1)[0].info.run_id
    assert judge(changed)["verdict"]["numbers"]["rows"] == 360


@pytest.fixture
def foreign(shop: Loop, engine: Engine) -> Loop:
    """The pipeline whose image holds nothing of this project: its jobs are written in Perl and SQL."""
    example = ROOT / "docs/examples/perl"
    changed = shop.change(monitoring={"fairness": None})
    # What its base brings here and `debian` does not.
    bare = "USER root\nRUN rm -rf /opt/millrace /opt/venv\n"
    dockerfile = (
        (example / "Dockerfile")
        .read_text()
        .replace("\nFROM ${BASE_IMAGE}\nUSER root\n", f"\nFROM ${{BASE_IMAGE}}\n{bare}")
    )
    assert bare in dockerfile
    built(changed, engine, dockerfile, example / "job.pl", example / "Services.pm")
    return changed


@pytest.mark.timeout(600)
def test_an_image_from_scratch_does_all_jobs_once(foreign: Loop) -> None:
    commit = foreign.head
    found = run_all(foreign, smoothing=2)
    trained, scores, scored, _ = found.values()
    assert job_contract.missing(foreign, found) == {}
    assert trained == task(foreign, Job.TRAIN).run()
    assert foreign.logged(trained["run_id"]).data.params["smoothing"] == "2"
    assert (scores["rows"], scored["days"], scored["rows"]) == (600, 3, 360)
    assert 0.6 < scores["candidate"] < 1
    run = foreign.identity("train")
    gate_scores = Scores.parse(scores, source="evaluate")
    verdict = promotion.evaluate_gate(foreign.pipeline, gate_scores, ledger=foreign.ledger, run=run)
    assert verdict.passed
    assert scored == task(foreign, Job.SCORE, version="1", commit=commit).run()
    assert judge(foreign)["verdict"]["numbers"]["rows"] == 360
    # What it answers for a second candidate is compared with the first one.
    second = task(foreign, Job.TRAIN, "r2").run()
    scores = task(foreign, Job.EVALUATE, "r2", candidate=second["run_id"]).run()
    assert (scores["champion_version"], scores["slice_drop"] is None) == (1, False)
    # The project's own measure can do its part with what the other jobs have left.
    handed_on = foreign.run(Job.MEASURE, DAYS - 1, run_id="r3", version=1, commit=scored["commit"])
    assert foreign.logged(handed_on["run_id"], "monitor").data.metrics["rows"] == 360


def test_an_image_from_scratch_says_why_it_fails(foreign: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadData, match="exit code 65: no partition of orders"):
        task(foreign, Job.TRAIN, until=900).run()
    told = json.loads(os.environ["AIRFLOW_CONN_LAKEFS_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(told | {"password": "wrong"}))
    with pytest.raises(Misconfigured, match=r"exit code 64: .*: 401"):
        task(foreign, Job.TRAIN).run()
    nowhere = {"extra": {"container_host": told["extra"]["container_host"].rsplit(":", 1)[0] + ":1"}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(told | nowhere))
    with pytest.raises(Unavailable, match=r"exit code 69: .*: 599"):
        task(foreign, Job.TRAIN).run()
    assert set(runs(foreign)) == {"FAILED"}


def test_the_gateway_is_reached_from_its_network_and_from_nowhere_else(
    services: Services, engine: Engine
) -> None:
    probe = f"import socket; print(socket.socket().connect_ex(('{services.gateway.address}', %s)))"
    seen = {
        network: engine.client.containers.run(
            "millrace-job:latest",
            ["-c", probe % services.lake.port],
            entrypoint="python",
            network=network,
            remove=True,
        )
        for network in ("millrace", "bridge")
    }
    assert (int(seen["millrace"]), int(seen["bridge"]) != 0) == (0, True)


@pytest.fixture
def plain(engine: Engine) -> Iterator[str]:
    """A network as the engine makes them by default."""
    made = engine.client.networks.create(f"millrace-test-{uuid4().hex[:8]}")
    try:
        yield str(made.name)
    finally:
        made.remove()


@pytest.fixture
def outside() -> Iterator[str]:
    """The address of a web server beyond this machine: in a network of its own, at the end of a cable."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a machine beyond this one is made by root, with `ip` of the package iproute2")
    name, block = f"mt{uuid4().hex[:8]}", 4 * random.randrange(2**13)
    near, far = (f"198.18.{(block + host) // 256}.{(block + host) % 256}" for host in (1, 2))

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("address", "add", f"{near}/30", "dev", name)
        ip("link", "set", name, "up")
        ip("-netns", name, "address", "add", f"{far}/30", "dev", "eth0")
        ip("-netns", name, "link", "set", "eth0", "up")
        ip("-netns", name, "route", "add", "default", "via", near)
        server = lifeline.start(["ip", "netns", "exec", name, sys.executable, "-m", "http.server", "8080"])
        try:
            wait_until_it_answers(f"http://{far}:8080")
            yield far
        finally:
            server.terminate()
            server.wait(20)
    finally:
        ip("netns", "delete", name)


def test_the_network_lets_nothing_out_nor_to_another_job(engine: Engine, plain: str, outside: str) -> None:
    """Both ways are open on a plain network, by the same probe."""
    engine.gateway()
    reached = [_reached(engine, name, outside) for name in (plain, NETWORK)]
    assert reached == [["outside", "job"], []]


def _reached(engine: Engine, network: str, outside: str) -> list[str]:
    """What a container of a network comes to: the web server outside, and one in another container there."""
    serve = ["-m", "http.server", "--directory", "/tmp", "8080"]
    job = engine.client.containers.run(JOB_IMAGE, serve, entrypoint="python", network=network, detach=True)
    try:
        job.reload()
        address = job.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
        wait_until_it_answers(f"http://{address}:8080")  # the machine reaches every container
        code = f"import json, socket\nplaces = { ({'outside': outside, 'job': address}) }\n{_PROBE}"
        said = engine.client.containers.run(
            JOB_IMAGE, ["-c", code], entrypoint="python", network=network, remove=True
        )
        return list(json.loads(said))
    finally:
        job.remove(force=True)


_PROBE = """
def opens(address):
    try:
        socket.create_connection((address, 8080), 3).close()
    except OSError:
        return False
    return True
print(json.dumps([name for name, address in places.items() if opens(address)]))
"""
