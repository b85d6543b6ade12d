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

import pytest
import urllib3

from include.embedded.containers import Gateway
from include.settings import ROOT
from include.tracking import TrackingServer
from tests.support.lake import ACCESS_KEY, SECRET_KEY, LakeServer, free_port


@dataclass(frozen=True)
class Services:
    """A lake and an MLflow that are reached from here and from containers."""

    lake: LakeServer
    gateway: Gateway
    mlflow_port: int

    @property
    def tracking_uri(self) -> str:
        return f"http://127.0.0.1:{self.mlflow_port}"

    def connect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let Airflow's connections lead here."""
        lake = {"conn_type": "lakefs", "login": ACCESS_KEY, "password": SECRET_KEY}
        for name, port, more in (("LAKEFS", self.lake.port, lake), ("MLFLOW", self.mlflow_port, {})):
            inside = {"container_host": f"http://{self.gateway.address}:{port}"}
            fields = {"conn_type": "http", **more, "host": f"http://127.0.0.1:{port}", "extra": inside}
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps(fields))


@contextmanager
def run_services(lake: LakeServer, gateway: Gateway, folder: Path) -> Iterator[Services]:
    """An MLflow server over a folder, and doors to it and to a lake; stopped at the end."""
    found = Services(lake, gateway, free_port())
    hosts = f"{gateway.address}:{found.mlflow_port},127.0.0.1:{found.mlflow_port}"
    ports = (str(found.mlflow_port), str(lake.port))
    started = [
        _start(
            "mlflow", "server", "--port", ports[0], "--workers", "1", "--allowed-hosts", hosts, cwd=folder
        ),
        _start("include.embedded.containers", str(gateway), *ports, cwd=ROOT),
    ]
    try:
        wait_until_it_answers(f"{found.tracking_uri}/health")
        yield found
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)


@contextmanager
def run_private_mlflow(folder: Path) -> Iterator[TrackingServer]:
    """An MLflow server that asks for a login, over a folder; stopped at the end."""
    server = TrackingServer(
        uri=f"http://127.0.0.1:{free_port()}", username="admin", password=token_urlsafe(16)
    )
    config = folder / "auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = READ\nauthorization_function = "
        "mlflow.server.auth:authenticate_request_basic_auth\n"
        f"database_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = {server.username}\nadmin_password = {server.password}\n"
    )
    port, told = (
        server.uri.rsplit(":", 1)[1],
        {
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": token_urlsafe(16),
        },
    )
    process = _start("mlflow", "server", "--app-name", "basic-auth", "--port", port, cwd=folder, **told)
    try:
        wait_until_it_answers(f"{server.uri}/health")
        yield server
    finally:
        process.terminate()
        process.wait(20)


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
