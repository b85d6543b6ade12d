"""A lake server in a separate process, which tests can kill."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import urllib3

from include.lake.client import Lake, LakeConnection
from include.settings import ROOT
from tests.support import lifeline

ACCESS_KEY = "AKIATESTTESTTESTTEST"
SECRET_KEY = "secret-secret-secret-secret-secret-1234"
READER_KEY = "AKIAREADREADREADREAD"
READER_SECRET = "reader-reader-reader-reader-reader-1234"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_airflow(lake: LakeConnection) -> str:
    """A connection as Airflow reads it from a variable."""
    return json.dumps(
        {
            "conn_type": "lakefs",
            "host": lake.endpoint,
            "login": lake.access_key_id,
            "password": lake.secret_access_key,
        }
    )


@dataclass
class LakeServer:
    """A lake server; `kill` and `start` may be called repeatedly."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def connection(self) -> LakeConnection:
        return LakeConnection(
            endpoint=f"http://127.0.0.1:{self.port}", access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY
        )

    @property
    def reader(self) -> LakeConnection:
        """Connection with the read-only keys."""
        return replace(self.connection, access_key_id=READER_KEY, secret_access_key=READER_SECRET)

    def lake(self, repository: str) -> Lake:
        lake = Lake(self.connection, repository)
        lake.ensure_repository(f"local://{repository}")
        return lake

    def start(self) -> None:
        self.process = lifeline.start(
            [sys.executable, "-m", "include.platform.embedded.lakefs"],
            cwd=ROOT,
            env={
                **os.environ,
                "LAKEFS_LISTEN_ADDRESS": f"127.0.0.1:{self.port}",
                "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(self.folder),
                "LAKEFS_INSTALLATION_ACCESS_KEY_ID": ACCESS_KEY,
                "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": SECRET_KEY,
                "LAKEFS_READ_ONLY_ACCESS_KEY_ID": READER_KEY,
                "LAKEFS_READ_ONLY_SECRET_ACCESS_KEY": READER_SECRET,
            },
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib3.request(
                    "GET", f"{self.connection.endpoint}/api/v1/healthcheck", timeout=1, retries=False
                )
                return
            except urllib3.exceptions.HTTPError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def run_lake_server(folder: Path) -> Iterator[LakeServer]:
    """Yield a running server over a folder, and stop it at the end."""
    server = LakeServer(folder, free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill()
