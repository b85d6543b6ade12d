"""A lake and an MLflow server that containers can reach: on loopback, with ports forwarded on the gateway."""

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
from tests.support import lifeline
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
    """A lake, and an MLflow with logins, reachable from this machine and from containers."""

    lake: LakeServer
    gateway: Gateway
    mlflow: TrackingServer

    @property
    def tracking(self) -> TrackingServer:
        return self.mlflow

    def connect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Point Airflow's connections to these services, and log the test in to MLflow."""
        lake = {"conn_type": "lakefs", "login": ACCESS_KEY, "password": SECRET_KEY}
        mlflow = {"conn_type": "http", "login": self.mlflow.username, "password": self.mlflow.password}
        ports = {"LAKEFS": self.lake.port, "MLFLOW": _port(self.mlflow)}
        for name, fields in {"LAKEFS": lake, "MLFLOW": mlflow}.items():
            extra = {"container_host": f"http://{self.gateway.address}:{ports[name]}"}
            connection = {**fields, "host": f"http://127.0.0.1:{ports[name]}", "extra": extra}
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps(connection))
        for name, value in self.mlflow.variables.items():
            monkeypatch.setenv(name, value)


@contextmanager
def run_services(lake: LakeServer, gateway: Gateway, folder: Path) -> Iterator[Services]:
    """Yield an MLflow server over a folder and a lake, with their ports forwarded on the gateway."""
    with run_mlflow(folder, gateway.address) as mlflow, forwarded_ports(gateway, _port(mlflow), lake.port):
        yield Services(lake, gateway, mlflow)


@contextmanager
def forwarded_ports(gateway: Gateway, *ports: int) -> Iterator[None]:
    """Forward these ports of the gateway to loopback while the block runs."""
    process = _start("include.platform.embedded.gateway", str(gateway), *map(str, ports), cwd=ROOT)
    try:
        yield
    finally:
        end(process)


@contextmanager
def run_mlflow(folder: Path, *hosts: str) -> Iterator[TrackingServer]:
    """Yield an MLflow server with logins, over a folder; it is stopped at the end.

    `hosts` are the names by which other machines and containers call it.
    """
    port, password = free_port(), token_urlsafe(16)
    server = TrackingServer(uri=f"http://127.0.0.1:{port}", username="admin", password=password)
    config = folder / "auth.ini"
    config.write_text(_AUTH.format(folder=folder, server=server))
    variables = {"MLFLOW_AUTH_CONFIG_PATH": f"{config}", "MLFLOW_FLASK_SERVER_SECRET_KEY": token_urlsafe(16)}
    options = ("--app-name", "basic-auth", "--port", f"{port}", "--workers", "1")
    allowed = ",".join(f"{host}:{port}" for host in ("127.0.0.1", *hosts))
    process = _start("mlflow", "server", *options, "--allowed-hosts", allowed, cwd=folder, **variables)
    try:
        wait_until_it_answers(f"{server.uri}/health")
        yield server
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Terminate a server, and kill it if it still runs after a minute."""
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
    return lifeline.start([sys.executable, "-m", module, *arguments], cwd=cwd, env=environment)


def wait_until_it_answers(url: str) -> None:
    """Wait until a URL answers with any status."""
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib3.request("GET", url, timeout=1, retries=False)
            return
        except urllib3.exceptions.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
