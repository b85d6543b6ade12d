"""The jobs of a pipeline in containers of the job image, with a real lake and a real MLflow."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include import catalog
from include.exceptions import Transient
from include.jobs.spec import Job
from include.lake.client import Lake
from include.registry import Registry
from include.settings import ROOT
from include.spec import Runtime
from millrace.jobs import job_operator
from tests.jobs.test_main import SLOW
from tests.support.engine import DEPLOYMENT, Engine, beside, run_engine
from tests.support.lake import LakeServer
from tests.support.loop import DAYS, Loop
from tests.support.pipeline import day
from tests.support.services import Services, run_services
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
    monkeypatch.setenv("RUNTIME", Runtime.DOCKER.value)
    monkeypatch.setenv("DEPLOYMENT", DEPLOYMENT)
    use_pipelines(loop.folder.parent)
    return Loop(loop.folder, loop.lake, services.tracking_uri)


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
    return Task(job_operator(job, shop.spec, **given), run_id, dag_id=f"{shop.folder.name}.{stage}")


def runs(shop: Loop) -> list[str]:
    """How the trainings ended, in order."""
    found = shop.experiment("train")
    order = ["attributes.start_time ASC"]
    return [run.info.status for run in found.client.search_runs([found.id], order_by=order)]


def wait_until_it_fits(shop: Loop) -> None:
    deadline = time.monotonic() + 60
    while not runs(shop) and time.monotonic() < deadline:
        time.sleep(0.2)


def test_every_job_of_the_loop_runs_in_a_container(shop: Loop, engine: Engine) -> None:
    image = image_of(shop, engine)
    trained = task(shop, Job.TRAIN, params='{"C": 0.5}').run()
    assert trained == task(shop, Job.TRAIN, params='{"C": 0.5}').run()
    scores = task(shop, Job.EVALUATE, candidate=trained["run_id"]).run()
    version = shop.promote(trained["run_id"])
    scored = task(shop, Job.SCORE, version=f"{version}").run()
    measured = task(shop, Job.MEASURE, version=f"{version}", commit=scored["commit"]).run()
    assert trained["link"].startswith(f"{shop.tracking_uri}/#/experiments/")
    assert (scores["rows"], scored["days"], scored["rows"]) == (600, 3, 360)
    digest = f"{image}@{engine.client.images.get(image).id}"
    tags = [shop.logged(trained["run_id"]).data.tags, shop.logged(measured["run_id"], "monitor").data.tags]
    assert [found["millrace.image"] for found in tags] == [digest] * 2
    assert shop.evaluate(trained["run_id"])["candidate"] == scores["candidate"]


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
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
    assert Registry(shop.tracking_uri).model_of(answer["run_id"])


def test_the_image_of_the_contracts_example_trains_and_is_judged(shop: Loop, engine: Engine) -> None:
    """docs/job-contract.md shows a pipeline in another framework: its files are taken from there."""
    page = (ROOT / "docs/job-contract.md").read_text()
    blocks = dict(re.findall(r"```(dockerfile|python)\n(.*?)```", page, re.DOTALL))
    (shop.folder / "model.py").write_text(blocks["python"])
    changed = shop.change(model={"params": {"n_estimators": 20}})
    shutil.copy(shop.folder / "model.py", changed.folder / "model.py")
    build = changed.folder.parent.parent / "build"
    shutil.copytree(changed.folder, build / "pipelines" / changed.folder.name)
    if (bundle := Path("/etc/ssl/certs/ca-certificates.crt")).exists():
        shutil.copy(bundle, build / "ca-bundle.pem")
    use_image(changed, engine.build(blocks["dockerfile"], build))
    trained = task(changed, Job.TRAIN).run()
    scores = task(changed, Job.EVALUATE, candidate=trained["run_id"]).run()
    assert changed.logged(trained["run_id"]).data.params["n_estimators"] == "20"
    assert 0.6 < scores["candidate"] < 1


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


def test_the_network_lets_nothing_out(services: Services, lake: Lake) -> None:
    import docker

    [network] = docker.from_env().networks.list(names=["^millrace$"])
    assert network.attrs["Internal"]
    assert network.attrs["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert catalog.ROOT == ROOT
