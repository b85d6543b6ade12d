"""Images of a registry that asks for a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from docker.errors import ImageNotFound

from include.exceptions import Misconfigured, Unauthorized, Unavailable
from include.settings import Pull
from millrace.runtimes.docker.operator import DockerJobOperator
from tests.support.engine import DEPLOYMENT, Engine
from tests.support.registry import ImageRegistry, run_registry
from tests.support.task import Task

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def registry(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with run_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def image(engine: Engine, registry: ImageRegistry) -> Iterator[str]:
    """An image that the engine has to pull; it is not there when the test begins."""
    made = engine.script("""echo '{"run_id": "r", "link": ""}'""")
    name = registry.push(made, f"job-{uuid4().hex[:8]}")
    yield name
    with suppress(ImageNotFound):
        engine.client.images.remove(name, force=True)


@pytest.fixture(autouse=True)
def connections(registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", "lakefs://key:secret@127.0.0.1:1")
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", "http://127.0.0.1:1")
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRY", registry.connection(registry.password))
    monkeypatch.setenv("AIRFLOW_CONN_STRANGER", registry.connection("wrong"))


def task(image: str, connection: str | None, **options: Any) -> Task:
    operator = DockerJobOperator(
        task_id="train",
        pipeline_name="orders",
        job="train",
        job_args={"commit": "c", "until": "2024-03-30"},
        image=image,
        docker_conn_id=connection,
        cpus=0.5,
        mem_limit=128 * 2**20,
        network_mode="millrace",
        deployment=DEPLOYMENT,
        **options,
    )
    return Task(operator, run_id=uuid4().hex)


@pytest.mark.parametrize("pull", [Pull.MISSING, Pull.ALWAYS])
def test_an_image_is_pulled_with_the_connections_login_and_known_by_its_digest(
    image: str, pull: Pull
) -> None:
    found = task(image, "registry", pull=pull)
    assert found.run() == {"run_id": "r", "link": ""}
    repository = image.removesuffix(":latest")
    assert found.operator._private_environment["MILLRACE_IMAGE"].startswith(f"{repository}@sha256:")


@pytest.mark.parametrize("connection", ["stranger", None], ids=["wrong password", "no login"])
def test_a_refused_login_is_told_at_once(image: str, connection: str | None) -> None:
    with pytest.raises(
        Unauthorized, match=r"registry of image .* refused the login .*set MILLRACE_JOB_REGISTRY_CONN_ID"
    ):
        task(image, connection).run()


def test_an_image_that_the_registry_has_not_is_told_at_once(registry: ImageRegistry) -> None:
    with pytest.raises(
        Misconfigured, match=r"cannot pull it \(manifest for .* not found.*correct MILLRACE_JOB_IMAGE"
    ):
        task(f"{registry.address}/nothing:1", "registry").run()


def test_a_registry_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", ImageRegistry("127.0.0.1:9", "any").connection("any"))
    with pytest.raises(Unavailable, match=r"registry of image '127\.0\.0\.1:9/nothing:1' does not answer"):
        task("127.0.0.1:9/nothing:1", "away").run()
