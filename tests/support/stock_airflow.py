"""An Airflow with stock settings: its database is SQLite, safe mode is on, nothing is tuned.

A test names what it sets beyond `AIRFLOW_HOME`; of the environment of the tests only `PATH` is inherited.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from include.platform.demo.airflow import Airflow
from tests.support import lifeline
from tests.support.services import wait_until_it_answers
from tests.support.stack import free_ports

_PASSWORDS = "simple_auth_manager_passwords.json.generated"


_RUN = """
import json, sys
from airflow.__main__ import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["airflow", *words]
    main()
"""


@dataclass(frozen=True)
class StockAirflow:
    """An Airflow below a folder, and the variables that were set for it."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes, with the path of Python's programs."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        return {"PATH": path, "HOME": str(self.home), "AIRFLOW_HOME": str(self.home), **self.variables}

    def having(self, variables: dict[str, str]) -> StockAirflow:
        """The same with more variables."""
        return StockAirflow(self.home, {**self.variables, **variables})

    def command(self, *words: str) -> str:
        """Run one of Airflow's commands to its end; what it printed."""
        return self.commands(words)

    def commands(self, *each: Sequence[str]) -> str:
        """Run several, one after the other; what they printed. One process, whose imports take seconds."""
        ended = subprocess.run(
            [sys.executable, "-c", _RUN, json.dumps(each)],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """The rows that a listing command prints; warnings of Airflow come before them."""
        lines = self.command(*words, "--output", "json").splitlines()
        found: list[dict[str, Any]] = json.loads(next(line for line in lines if line.startswith("[{")))
        return found

    def parse(self) -> None:
        """Make the database, and let the DAG processor read every file once."""
        self.commands(("db", "migrate"), ("dag-processor", "--num-runs", "1"))


@contextmanager
def run_standalone(airflow: StockAirflow) -> Iterator[Airflow]:
    """Run `airflow standalone` on free ports, its API as the user `admin`; stopped at the end."""
    port, *logs = free_ports(3)
    url = f"http://127.0.0.1:{port}"
    ports = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": f"{port}",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": f"{logs[0]}",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": f"{logs[1]}",
    }
    command = [sys.executable, "-m", "airflow", "standalone"]
    environment = {**airflow.environment, **ports}
    with (airflow.home / "standalone.log").open("wb") as log:
        process = lifeline.start(command, env=environment, cwd=airflow.home, stdout=log, stderr=log)
        try:
            wait_until_it_answers(url)
            password = json.loads((airflow.home / _PASSWORDS).read_text())["admin"]
            yield Airflow(url, "admin", password)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it, which is how it ends its parts, and kill what is left of them some seconds later.

    A scheduler whose tasks run waits for them.
    """
    parts = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for part in parts:
        with suppress(psutil.NoSuchProcess):
            part.kill()
    process.kill()
    process.wait()
