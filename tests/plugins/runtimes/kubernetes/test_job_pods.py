"""The jobs of a pipeline in pods of the job image, with a real lake and a real MLflow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from include.exceptions import Misconfigured, Transient
from include.jobs.env import SECRETS
from include.jobs.spec import Job
from include.platform.embedded import cluster as embedded
from include.settings import Runtime, Settings
from millrace.runtimes.factory import job_operator
from tests.jobs.test_main import SLOW
from tests.support.cluster import ACCOUNT, JOB_IMAGE, Cluster, PodTask, run_cluster, wait_until
from tests.support.lake import ACCESS_KEY, SECRET_KEY, LakeServer
from tests.support.loop import DAYS, Loop
from tests.support.pipeline import day
from tests.support.services import Services, run_services

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with run_cluster({}) as found:
        yield found


@pytest.fixture(scope="module")
def services(
    cluster: Cluster, lake_server: LakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    try:
        gateway = embedded.find_gateway(Settings())
    except Misconfigured as error:
        pytest.skip(str(error))
    with run_services(lake_server, gateway, tmp_path_factory.mktemp("mlflow")) as found:
        login = (ACCESS_KEY, SECRET_KEY, found.mlflow.username, found.mlflow.password)
        cluster.secret("keys", dict(zip(SECRETS, login, strict=True)))
        yield found


@pytest.fixture
def shop(
    loop: Loop, cluster: Cluster, services: Services, monkeypatch: pytest.MonkeyPatch, use_pipelines: Any
) -> Loop:
    """A pipeline with a month of orders, whose jobs run in pods."""
    services.connect(monkeypatch)
    deployment = {
        "MILLRACE_RUNTIME": Runtime.KUBERNETES.value,
        "MILLRACE_KUBERNETES_NAMESPACE": cluster.namespace,
        "MILLRACE_KUBERNETES_SECRET": "keys",
    }
    for name, value in {**deployment, "MILLRACE_KUBERNETES_SERVICE_ACCOUNT": ACCOUNT}.items():
        monkeypatch.setenv(name, value)
    use_pipelines(loop.folder.parent)
    return Loop(loop.folder, loop.lake, services.tracking)


def task(shop: Loop, cluster: Cluster, job: Job, **told: str) -> PodTask:
    """A task of the pipeline; its pod has the folder as it is now."""
    given = {"commit": shop.head, "until": day(DAYS - 1).isoformat(), **told}
    stage = "train" if job in (Job.TRAIN, Job.EVALUATE) else "monitor"
    operator: Any = job_operator(job, shop.pipeline, **given)
    folder, name = shop.folder.name, f"{shop.folder.name}-{len(cluster.config_maps())}".replace("_", "-")
    cluster.config_map(name, {file.name: file.read_text() for file in shop.folder.iterdir()})
    items = [
        client.V1KeyToPath(key=file.name, path=f"{folder}/{file.name}") for file in shop.folder.iterdir()
    ]
    source = client.V1ConfigMapVolumeSource(name=name, items=items)
    operator.volumes = [client.V1Volume(name="pipelines", config_map=source)]
    operator.volume_mounts = [client.V1VolumeMount(name="pipelines", mount_path="/pipelines")]
    operator.environment["MILLRACE_PIPELINES"] = "/pipelines"
    return PodTask(operator, dag_id=f"{folder}.{stage}")


def runs(shop: Loop) -> list[str]:
    """How the trainings ended, in order."""
    found = shop.experiment("train")
    order = ["attributes.start_time ASC"]
    return [run.info.status for run in found.client.search_runs([found.id], order_by=order)]


def test_every_job_of_the_loop_runs_in_a_pod(shop: Loop, cluster: Cluster) -> None:
    trained = task(shop, cluster, Job.TRAIN, params='{"C": 0.5}').run()
    assert trained == task(shop, cluster, Job.TRAIN, params='{"C": 0.5}').run()
    scores = task(shop, cluster, Job.EVALUATE, candidate=trained["run_id"]).run()
    version = f"{shop.promote(trained['run_id'])}"
    scored = task(shop, cluster, Job.SCORE, version=version).run()
    measured = task(shop, cluster, Job.MEASURE, version=version, commit=scored["commit"]).run()
    assert trained["link"].startswith(f"{shop.tracking.uri}/#/experiments/")
    assert (scores["rows"], scored["days"], scored["rows"]) == (600, 3, 360)
    tags = [shop.logged(trained["run_id"]).data.tags, shop.logged(measured["run_id"], "monitor").data.tags]
    [image] = {found["millrace.image"] for found in tags}
    assert image.startswith(f"{JOB_IMAGE}@sha256:")
    assert cluster.pods() == []
    assert shop.evaluate(trained["run_id"]).candidate == scores["candidate"]


def test_a_training_that_is_cleared_leaves_one_version_and_no_pod(shop: Loop, cluster: Cluster) -> None:
    model = (shop.folder / "model.py").read_text()
    (shop.folder / "model.py").write_text(SLOW)
    cleared = task(shop, cluster, Job.TRAIN)
    asleep = cleared.begin()
    wait_until(lambda: runs(shop) == ["RUNNING"])
    asyncio.run(cleared.trigger(asleep).on_kill())
    with pytest.raises(Transient):
        cleared.resume(asleep, cleared.wait(asleep))
    assert runs(shop) == ["KILLED"]
    (shop.folder / "model.py").write_text(model)
    answers = [task(shop, cluster, Job.TRAIN).run() for _ in range(2)]
    assert runs(shop) == ["KILLED", "FINISHED"]
    assert [shop.promote(answer["run_id"]) for answer in answers] == [1, 1]
    cluster.wait_empty(f"{shop.folder.name}.train/r1/train")


def test_a_training_goes_on_when_its_worker_dies(shop: Loop, cluster: Cluster) -> None:
    task(shop, cluster, Job.TRAIN).begin()
    [left] = cluster.pods()
    second = task(shop, cluster, Job.TRAIN)
    asleep = second.begin()
    assert [pod.metadata.uid for pod in cluster.pods()] == [left.metadata.uid]
    answer = second.resume(asleep, second.wait(asleep))
    assert runs(shop) == ["FINISHED"]
    assert shop.promote(answer["run_id"]) == 1
