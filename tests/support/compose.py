"""The Compose file started for real, in a folder of its own, from the images of tests/platform/compose."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from include.exceptions import Misconfigured
from include.lake.client import Lake, LakeConnection
from include.platform.compose import env
from include.platform.compose.docker_compose import Compose
from include.platform.demo.airflow import Airflow
from include.settings import ROOT
from tests.support.stack import free_ports

IMAGES = ROOT / "tests/platform/compose/images"
PREFIX = "millrace-standin"
_FILES = ("docker-compose.yaml", "Makefile", "pyproject.toml", "dags", "plugins", "include")
_PORTS = ("MILLRACE_AIRFLOW_PORT", "MILLRACE_MLFLOW_PORT", "MILLRACE_LAKEFS_PORT", "GRAFANA_PORT")


def build_images(base: str) -> None:
    """Make every stand-in image; what is made already is kept by the engine and costs seconds."""
    with ThreadPoolExecutor(2) as beside:  # pip uses one core
        mlflow = beside.submit(_project_image, "mlflow", base)
        for name in ("airflow-base", "postgres", "redis", "haproxy"):
            _build(name, IMAGES / name, base)
        _project_image("airflow", f"{PREFIX}-airflow-base")
        with TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "include", Path(folder) / "include", ignore=_no_bytecode)
            shutil.copy(IMAGES / "lakefs/Dockerfile", folder)
            _build("lakefs", Path(folder), f"{PREFIX}-airflow")
        mlflow.result()


def build_monitoring(base: str) -> None:
    """What the profile `monitoring` starts but Grafana; skipped, with the reason, where it cannot be made."""
    asked = subprocess.run([ROOT / ".ci/statsd-exporter"], capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip(asked.stderr.strip())
    _build("prometheus", IMAGES / "prometheus", base)
    with TemporaryDirectory() as folder:
        shutil.copy(IMAGES / "statsd-exporter/Dockerfile", folder)
        shutil.copy(asked.stdout.strip(), folder)
        _build("statsd-exporter", Path(folder), base)


def _base() -> str:
    said = subprocess.run([ROOT / ".ci/base-image"], stdout=subprocess.PIPE, text=True, check=False)
    if said.returncode:
        pytest.skip("no base image can be had for the stand-ins, see .ci/base-image")
    return said.stdout.strip()


def _project_image(name: str, base: str) -> None:
    _run(ROOT / "include/platform/images/build", name, IMAGE_PREFIX=PREFIX, BASE_IMAGE=base)


def _build(name: str, folder: Path, base: str) -> None:
    buildkit = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)
    old = {} if buildkit.returncode == 0 else {"DOCKER_BUILDKIT": "0"}
    arguments = ("--network", "host", "--build-arg", f"BASE_IMAGE={base}", "--tag", f"{PREFIX}-{name}")
    _run("docker", "build", "--quiet", *arguments, folder, **old)


def _run(*command: Any, **environment: str) -> None:
    ended = subprocess.run(
        [str(word) for word in command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]


_no_bytecode = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Server:
    """A checkout of the project with a `.env` of its own, and what a user of the server has at hand."""

    folder: Path
    compose: Compose

    @cached_property
    def told(self) -> dict[str, str]:
        """The lines of its `.env`."""
        return env.read(self.folder / ".env")

    @property
    def airflow(self) -> Airflow:
        return Airflow(self.url("MILLRACE_AIRFLOW_PORT"), "admin", self.told["AIRFLOW_ADMIN_PASSWORD"])

    @property
    def lake(self) -> Lake:
        connection = LakeConnection(
            endpoint=self.url("MILLRACE_LAKEFS_PORT"),
            access_key_id=self.told["LAKE_ACCESS_KEY_ID"],
            secret_access_key=self.told["LAKE_SECRET_ACCESS_KEY"],
        )
        return Lake(connection, "flights")

    def url(self, port: str) -> str:
        """A page, by the variable of its port."""
        return f"http://127.0.0.1:{self.told[port]}"

    def make(self, *words: str, fails: bool = False) -> str:
        """One of the project's verbs, run on the server; what it printed."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
        ended = subprocess.run(
            ["make", "--no-print-directory", *words],
            cwd=self.folder,
            env=kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert bool(ended.returncode) == fails, ended.stdout[-4000:]
        return ended.stdout

    def inside(self, service: str, *command: str) -> str:
        """What a command prints in a service's container."""
        found = self.compose.container(service).id
        return self.compose.docker("exec", found, *command, stdout=subprocess.PIPE).decode()

    def logs(self, service: str) -> str:
        """All that a service has printed since it was last made."""
        command = ["docker", "logs", self.compose.container(service).id]
        found = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
        )
        return found.stdout

    def mlflow(
        self, path: str, body: dict[str, Any], password: str | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """A call of MLflow's API as `admin`, or as nobody with an empty password."""
        password = self.told["MLFLOW_ADMIN_PASSWORD"] if password is None else password
        who = headers | (urllib3.make_headers(basic_auth=f"admin:{password}") if password else {})
        url = f"{self.url('MILLRACE_MLFLOW_PORT')}/api/2.0/mlflow/{path}"
        return urllib3.request("POST", url, json=body, headers=who, timeout=30)

    def artifact(self, run_id: str, path: str) -> bytes | None:
        """A file that a run left in MLflow; None if it left none of this name."""
        who = urllib3.make_headers(basic_auth=f"admin:{self.told['MLFLOW_ADMIN_PASSWORD']}")
        asked = {"run_uuid": run_id, "path": path}
        url = f"{self.url('MILLRACE_MLFLOW_PORT')}/get-artifact"
        answer = urllib3.request("GET", url, fields=asked, headers=who, timeout=30)
        return answer.data if answer.status == 200 else None

    def wipe(self) -> None:
        """End everything and remove what was kept."""
        profiles = ("--profile", "celery", "--profile", "monitoring")
        self.compose.call(*profiles, "down", "--volumes", "--remove-orphans")


def find_compose(folder: Path) -> Compose:
    """The Compose file of a folder; a test is skipped, with the reason, where Compose is not."""
    try:
        return Compose.find(folder)
    except Misconfigured as error:
        pytest.skip(str(error))


@contextmanager
def run_server(build: Callable[[str], None] = build_images) -> Iterator[Server]:
    """A server with nothing on it yet; wiped at the end. Skipped, with the reason, where Compose is not."""
    compose = find_compose(ROOT)
    build(os.environ.get("BASE_IMAGE") or _base())
    with TemporaryDirectory(prefix="millrace-server-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # containers read the code as users of their own
        server = Server(folder, Compose(folder, compose.command))
        _furnish(folder)
        try:
            yield server
        finally:
            server.wipe()


def _furnish(folder: Path) -> None:
    for name in _FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=_no_bytecode)
        else:
            shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / "tests/platform/compose/standins.yaml", folder)
    # The images are there already: the verb's builder only says that it was called.
    (folder / "include/platform/images/build").write_text('#!/bin/sh\necho "building $*"\n')
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    told = {
        "COMPOSE_PROJECT_NAME": f"millrace-test-{uuid4().hex[:8]}",
        "COMPOSE_FILE": "docker-compose.yaml:standins.yaml",
        "MILLRACE_JOB_IMAGE": "millrace-job:latest",
        "MLFLOW_MORE_HOSTS": "mlflow.example.org",
        **ports,
    }
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in told.items()))
