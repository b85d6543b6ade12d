"""Static checks of docker-compose.yaml: what every service must have, and what none may have."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.exceptions import Misconfigured
from include.platform.compose import env
from include.platform.compose.docker_compose import Compose
from include.settings import ROOT

FILE = ROOT / "docker-compose.yaml"
TEXT = FILE.read_text()
READ: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = READ["services"]
ONCE = {"databases", "airflow-init"}
WEB = {"airflow-api-server": 8080, "mlflow": 5000, "lakefs": 8000, "grafana": 3000}
TOOLS = (("docker", "compose"), ("docker-compose",))
# Renovate adds digests.
IMAGE = r"([\w./-]+:v?\d+\.\d+\.\d+(-\w+)?|postgres:\d+\.\d+-\w+)(@sha256:[0-9a-f]{64})?"
services = pytest.mark.parametrize("name", sorted(SERVICES))


def test_these_are_the_services() -> None:
    airflow = {
        f"airflow-{part}"
        for part in ("init", "api-server", "scheduler", "dag-processor", "triggerer", "cleanup")
    }
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == airflow | {"postgres", "databases", "lakefs", "mlflow", "docker-proxy"}
    assert {name: service["profiles"] for name, service in SERVICES.items() if name not in plain} == {
        "airflow-worker": ["celery"],
        "redis": ["celery"],
        "statsd-exporter": ["monitoring"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


@services
def test_a_service_is_pinned_limited_and_confined(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(IMAGE, service["image"])
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["pids_limit"] == 512
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.keys() == set()


@services
def test_a_service_is_watched_and_comes_back_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONCE)


@services
def test_only_pages_are_published_and_on_loopback_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert len(ports) == (name in WEB)
    for port in ports:
        assert re.fullmatch(rf"127\.0\.0\.1:\$\{{\w+_PORT:-{WEB[name]}\}}:{WEB[name]}", port)


@services
def test_only_the_proxy_has_the_engines_socket_and_only_tasks_reach_the_proxy(name: str) -> None:
    service = SERVICES[name]
    assert ("docker.sock" in json.dumps(service)) == (name == "docker-proxy")
    assert ("engine" in service["networks"]) == (
        name in {"docker-proxy", "airflow-scheduler", "airflow-worker"}
    )
    assert ("jobs" in service["networks"]) == (name in {"lakefs", "mlflow"})


def test_the_networks_of_jobs_and_of_the_engine_lead_nowhere_else() -> None:
    assert READ["networks"]["jobs"]["internal"] is True
    assert READ["networks"]["engine"]["internal"] is True
    [name] = {
        service["environment"]["MILLRACE_JOB_NETWORK"] for service in SERVICES.values() if tasks(service)
    }
    assert READ["networks"]["jobs"]["name"] == name


def tasks(service: dict[str, Any]) -> bool:
    """Return whether tasks run in a service."""
    return "DOCKER_HOST" in service.get("environment", {})


def test_the_secret_of_hashes_is_where_tasks_run_and_nowhere_else() -> None:
    told = {name for name, one in SERVICES.items() if "MILLRACE_PRIVACY_SECRET" in one.get("environment", {})}
    assert (
        told
        == {name for name, one in SERVICES.items() if tasks(one)}
        == {"airflow-scheduler", "airflow-worker"}
    )


def test_no_secret_has_a_default() -> None:
    lines = [
        line for line in TEXT.splitlines() if re.search(r"(?i)(password|secret|_key\b|key_id)\w*:", line)
    ]
    own = [line for line in lines if "_S3_" not in line]  # set by the user, and empty by default
    assert len(own) > 15
    for line in own:
        assert re.search(r": (\S*:)?\S*\$\{\w+:\?run make compose DO=env\}", line), line
    for line in set(lines) - set(own):
        assert ":-}" in line


def test_our_images_are_of_this_version() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert set(re.findall(r"millrace-\w+:[\w.]+", TEXT)) == {
        f"millrace-{name}:{version[1]}" for name in ("airflow", "mlflow", "job")
    }


def test_everything_that_is_mounted_is_there_and_read_only() -> None:
    mounts = {
        mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount[0] == "."
    }
    assert len(mounts) >= 8
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (ROOT / source).exists(), source
        assert mode == "ro"


def config(tool: tuple[str, ...], no_env: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Return Compose's interpretation of the file with these variables; skip the test without Compose."""
    own = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    try:
        subprocess.run([*tool, "version"], env=own, capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip(f"{' '.join(tool)!r} is not on this machine")
    no_env.touch()
    command = [*tool, "--env-file", str(no_env), "config"]
    return subprocess.run(
        command, cwd=ROOT, env=own | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("tool", TOOLS, ids=" ".join)
@pytest.mark.parametrize("profiles", ["", "celery,monitoring"])
def test_compose_reads_it(tool: tuple[str, ...], profiles: str, tmp_path: Path) -> None:
    secrets = dict.fromkeys(env.VARIABLES, "x")

    ended = config(tool, tmp_path / "env", COMPOSE_PROFILES=profiles, **secrets)

    assert ended.returncode == 0, ended.stderr
    found = yaml.safe_load(ended.stdout)
    wanted = {name for name, service in SERVICES.items() if profiles or "profiles" not in service}
    assert wanted <= found["services"].keys()
    told = found["services"]["airflow-scheduler"]["environment"]
    assert (told["MILLRACE_RUNTIME"], told["MILLRACE_DEPLOYMENT"], told["MILLRACE_JOB_NETWORK"]) == (
        "docker",
        "x",
        "x-jobs",
    )


@pytest.mark.parametrize("tool", TOOLS, ids=" ".join)
def test_without_a_secret_compose_refuses_and_says_what_to_do(tool: tuple[str, ...], tmp_path: Path) -> None:
    ended = config(
        tool, tmp_path / "env", **{name: "x" for name in env.VARIABLES if name != "LAKE_ENCRYPT_KEY"}
    )

    assert ended.returncode != 0
    assert re.search("LAKE_ENCRYPT_KEY.*run make compose DO=env", ended.stderr)


def test_without_compose_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Misconfigured, match="install Docker with its Compose plugin"):
        Compose.find(ROOT)
