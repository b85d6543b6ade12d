"""Access from a container to the embedded stack."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from include.exceptions import Misconfigured, Unavailable
from include.platform.embedded.gateway import Gateway, job_gateway
from include.platform.embedded.stack import GATEWAY, PARTS, Stack
from include.settings import Runtime
from tests.support.engine import Engine, run_engine
from tests.support.stack import RunningStack, database_folder, settings_in


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with run_engine() as found:
        yield found


def test_without_an_engine_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(Unavailable, match=r"MILLRACE_RUNTIME=docker needs a Docker engine, and none answers"):
        job_gateway("millrace")


@pytest.mark.docker
def test_the_network_is_made_once(engine: Engine) -> None:
    name = f"millrace-test-{uuid4().hex[:8]}"
    try:
        assert job_gateway(name) == job_gateway(name)
        [made] = engine.client.networks.list(names=[name])
        assert made.attrs["Internal"]
    finally:
        for network in engine.client.networks.list(names=[name]):
            network.remove()


@pytest.mark.docker
def test_a_network_without_a_bridge_is_refused(engine: Engine) -> None:
    with pytest.raises(Misconfigured, match=r"network 'none' is not a bridge with a gateway; name another"):
        job_gateway("none")


@pytest.mark.docker
@pytest.mark.stack
def test_a_stack_for_containers_listens_on_the_gateway_too_and_nowhere_else(engine: Engine) -> None:
    with database_folder() as folder:
        settings = settings_in(folder / "var").model_copy(update={"runtime": Runtime.DOCKER})
        stack, inside = Stack(settings), job_gateway(settings.jobs.network)
        try:
            stack.up(_quiet)
            assert stack.health() == dict.fromkeys((*PARTS, GATEWAY), "healthy")
            assert RunningStack(stack).listening() == {
                ("127.0.0.1", settings.airflow.port),
                *((host, settings.mlflow.port) for host in ("127.0.0.1", inside.address)),
                *((host, settings.lakefs.port) for host in ("127.0.0.1", inside.address)),
            }
            assert _asked(engine, f"http://{inside.address}:{settings.mlflow.port}/api/2.0/mlflow/x") == 401
            with pytest.raises(
                Misconfigured, match="the stack runs with MILLRACE_RUNTIME=docker, not process"
            ):
                Stack(settings.model_copy(update={"runtime": Runtime.PROCESS})).up(_quiet)
        finally:
            stack.down(_quiet)


def test_a_gateway_is_told_as_text() -> None:
    assert Gateway.parse(str(Gateway("172.19.0.1", "br-1"))) == Gateway("172.19.0.1", "br-1")


def _quiet(text: str) -> None:
    """Print nothing."""


def _asked(engine: Engine, url: str) -> int:
    """Return the status of a request from a container: MLflow answers 403 to a host that is not allowed."""
    code = f"import urllib3; print(urllib3.request('GET', '{url}', retries=False).status)"
    return int(
        engine.client.containers.run(
            "millrace-job:latest", ["-c", code], entrypoint="python", network="millrace", remove=True
        )
    )
