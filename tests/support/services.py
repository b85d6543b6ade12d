"""The lake and MLflow as containers reach them: servers on loopback, and doors on the gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
import urllib3

from include.platform.embedded.gateway import Gateway
from include.settings import ROOT
from include.tracking.server import TrackingServer
from tests.support.lake import ACCESS_KEY, SECRET_KEY, LakeServer, free_port

_AUTH = """
[mlflow]
default_permission = READ
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
database_uri = sqlite:///{folder}/auth.db
admin_username = {server.username}
admin_password = {server.password}
"""


@dataclass(frozen=True)
class Services:
    """A lake, and an MLflow that asks for a login, that are reached from here and from containers."""

    lake: LakeServer
    gateway: Gateway
    mlflow: TrackingServer

    @property
    def tracking(self) -> TrackingServer:
        return self.mlflow

    def connect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let Airflow's connections lead here, and log the test in as well."""
        lake = {"conn_type": "lakefs", "login": ACCESS_KEY, "password": SECRET_KEY}
        mlflow = {"conn_type": "http", "login": self.mlflow.username, "password": self.mlflow.password}
        ports = {"LAKEFS": self.lake.port, "MLFLOW": _port(self.mlflow)}
        for name, fields in {"LAKEFS": lake, "MLFLOW": mlflow}.items():
            where = f"http://127.0.0.1:{ports[name]}"
            inside = {"container_host": f"http://{self.gateway.address}:{ports[name]}"}
            told = json.dumps({**fields, "host": where, "extra": inside})
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}_DEFAULT", told)
        for name, value in self.mlflow.variables.items():
            monkeypatch.setenv(name, value)


@contextmanager
def run_services(lake: LakeServer, gateway: Gateway, folder: Path) -> Iterator[Services]:
    """An MLflow server over a folder, and doors to it and to a lake; stopped at the end."""
    with run_mlflow(folder, gateway.address) as mlflow, open_doors(gateway, _port(mlflow), lake.port):
        yield Services(lake, gateway, mlflow)


@contextmanager
def open_doors(gateway: Gateway, *ports: int) -> Iterator[None]:
    """Doors on the gateway to these ports of loopback; closed at the end."""
    doors = _start("include.platform.embedded.gateway", str(gateway), *map(str, ports), cwd=ROOT)
    try:
        yield
    finally:
        end(doors)


@contextmanager
def run_mlflow(folder: Path, *hosts: str) -> Iterator[TrackingServer]:
    """An MLflow server that asks for a login, over a folder; stopped at the end.

    `hosts` are names by which others than this machine call it.
    """
    port, password = free_port(), token_urlsafe(16)
    server = TrackingServer(uri=f"http://127.0.0.1:{port}", username="admin", password=password)
    config = folder / "auth.ini"
    config.write_text(_AUTH.format(folder=folder, server=server))
    told = {"MLFLOW_AUTH_CONFIG_PATH": f"{config}", "MLFLOW_FLASK_SERVER_SECRET_KEY": token_urlsafe(16)}
    options = ("--app-name", "basic-auth", "--port", f"{port}", "--workers", "1")
    allowed = ",".join(f"{host}:{port}" for host in ("127.0.0.1", *hosts))
    process = _start("mlflow", "server", *options, "--allowed-hosts", allowed, cwd=folder, **told)
    try:
        wait_until_it_answers(f"{server.uri}/health")
        yield server
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a server to end, and end it where it has not done so after a minute: nothing of a test stays."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _port(server: TrackingServer) -> int:
    return int(server.uri.rsplit(":", 1)[1])


def _start(module: str, *arguments: str, cwd: Path, **more: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **more}
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=cwd, env=environment)


def wait_until_it_answers(url: str) -> None:
    """Wait for any answer."""
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib3.request("GET", url, timeout=1, retries=False)
            return
        except urllib3.exceptions.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
