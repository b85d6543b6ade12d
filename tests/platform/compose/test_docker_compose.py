"""The state of services, from the engine's description of their containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from include.exceptions import Unavailable
from include.platform.compose import docker_compose
from include.platform.compose.docker_compose import Container
from include.settings import ROOT
from tests.support.compose import find_compose
from tests.support.engine import JOB_IMAGE, run_engine

RUNNING = {"Status": "running", "ExitCode": 0}


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (RUNNING, ""),
        (RUNNING | {"Health": {"Status": "healthy"}}, ""),
        (RUNNING | {"Health": {"Status": "starting"}}, "starting"),
        (RUNNING | {"Health": {"Status": "unhealthy"}}, "unhealthy"),
        ({"Status": "exited", "ExitCode": 0}, "exited with exit code 0"),
        ({"Status": "restarting", "ExitCode": 64}, "restarting with exit code 64"),
        ({"Status": "created", "ExitCode": 0}, "created with exit code 0"),
    ],
)
def test_a_running_service_without_a_problem_is_healthy(state: dict[str, Any], problem: str) -> None:
    assert Container("any", "1", "image", state, {}, once=False, restarts=0).problem == problem


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (RUNNING, "still running"),
        ({"Status": "exited", "ExitCode": 0}, ""),
        ({"Status": "exited", "ExitCode": 1}, "exited with exit code 1"),
    ],
)
def test_a_service_that_runs_once_has_no_problem_after_success(state: dict[str, Any], problem: str) -> None:
    assert Container("any", "1", "image", state, {}, once=True, restarts=0).problem == problem


def test_a_container_is_read_as_the_engine_tells_it() -> None:
    inspected = {
        "Id": "1",
        "Image": "sha256:2",
        "Config": {"Labels": {"com.docker.compose.service": "lakefs"}},
        "State": RUNNING,
        "RestartCount": 3,
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        "Mounts": [
            {"Type": "volume", "Destination": "/home/lakefs", "Name": "p_lakefs"},
            {"Type": "bind", "Destination": "/etc/x", "Source": "/x"},
        ],
    }
    assert Container.of(inspected) == Container(
        "lakefs", "1", "sha256:2", RUNNING, {"/home/lakefs": "p_lakefs"}, once=False, restarts=3
    )


@pytest.mark.parametrize(
    ("state", "once", "restarts", "has_failed"),
    [
        ({"Status": "restarting", "ExitCode": 1}, False, 5, True),
        ({"Status": "restarting", "ExitCode": 1}, False, 4, False),
        (RUNNING | {"Health": {"Status": "starting"}}, False, 9, False),  # possibly long ago
        ({"Status": "exited", "ExitCode": 1}, True, 0, True),
        ({"Status": "exited", "ExitCode": 1}, False, 0, False),
    ],
)
def test_one_that_keeps_dying_is_not_waited_for(
    state: dict[str, Any], once: bool, restarts: int, has_failed: bool
) -> None:
    assert Container("any", "1", "image", state, {}, once, restarts).has_failed is has_failed


COMPOSE = """
services:
  first:
    image: {image}
    entrypoint: [sh, -c, "echo the reason; exit 3"]
  second:
    image: {image}
    entrypoint: [sleep, "60"]
    depends_on: {{first: {{condition: service_completed_successfully}}}}
"""


PARTS = """
services:
  kept:
    image: {image}
    entrypoint: [sleep, "600"]
    restart: unless-stopped
    stop_signal: SIGKILL
  extra:
    image: {image}
    entrypoint: [sleep, "600"]
    restart: unless-stopped
    stop_signal: SIGKILL

    profiles: [celery]
"""


@pytest.mark.docker
def test_somebodys_shell_is_no_part_of_the_platform_nor_is_a_profile_that_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"millrace-test-{uuid4().hex[:8]}")
    messages: list[str] = []
    with run_engine():
        (tmp_path / "docker-compose.yaml").write_text(PARTS.format(image=JOB_IMAGE))
        compose = find_compose(tmp_path)
        try:
            (tmp_path / ".env").write_text("COMPOSE_PROFILES=celery\n")
            compose.up(lambda _: None)
            compose.call("run", "--detach", "kept", "600")
            assert [one.service for one in compose.containers()] == ["extra", "kept"]
            (tmp_path / ".env").write_text("")
            compose.up(messages.append)
            assert [one.service for one in compose.containers()] == ["kept"]
            assert messages == ["removing extra: its profile 'celery' is not enabled", "kept ready"]
        finally:
            compose.call("down", "--remove-orphans", "--timeout", "1")


def test_every_profile_of_the_file_is_found() -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    profiles = {name: one["profiles"] for name, one in services.items() if "profiles" in one}
    assert {name: [profile] for name, profile in docker_compose._PROFILE.findall(text)} == profiles


@pytest.mark.docker
def test_the_reason_of_a_failure_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"millrace-test-{uuid4().hex[:8]}")
    with run_engine():
        (tmp_path / "docker-compose.yaml").write_text(COMPOSE.format(image=JOB_IMAGE))
        compose = find_compose(tmp_path)
        try:
            with pytest.raises(Unavailable, match=r"first is exited with exit code 3: the reason"):
                compose.up(lambda _: None)
        finally:
            compose.call("down")
