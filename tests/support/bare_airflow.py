"""Airflow as it comes, with its database in a file: what its own parts do with some settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import urllib3

from tests.support import lifeline
from tests.support.lake import free_port
from tests.support.services import end, wait_until_it_answers

_AIRFLOW = (sys.executable, "-m", "airflow")


@dataclass(frozen=True)
class BareAirflow:
    """A running api-server, and a worker for as long as a run lasts."""

    url: str
    environment: dict[str, str]

    def run(self, dag_id: str) -> str:
        """Run a DAG to its end in workers, as an executor starts them; the run's id."""
        _run("dags", "test", "--use-executor", dag_id, environment=self.environment)
        (found,) = self._get(f"dags/{dag_id}/dagRuns")["dag_runs"]
        assert found["state"] == "success"
        return str(found["dag_run_id"])

    def log(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        """The lines of a task's first try, as its page shows them."""
        found = self._get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1")
        return [line["event"] for line in found["content"]]

    def _get(self, path: str) -> Any:
        token = urllib3.request("GET", f"{self.url}/auth/token").json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        answer = urllib3.request("GET", f"{self.url}/api/v2/{path}", headers=headers)
        assert answer.status == 200, answer.data
        return answer.json()


@contextmanager
def run_bare_airflow(folder: Path, dags: Path, more: dict[str, str]) -> Iterator[BareAirflow]:
    """An Airflow over a folder that knows `more` variables and none of this process; stopped at the end."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = {"PATH": os.environ["PATH"], **_settings(folder, dags, url), **more}
    _run("db", "migrate", environment=environment)
    with (folder / "api-server.log").open("wb") as log:
        server = lifeline.start([*_AIRFLOW, "api-server"], env=environment, stdout=log, stderr=log)
        try:
            wait_until_it_answers(url)
            yield BareAirflow(url, environment)
        finally:
            end(server)


def _settings(folder: Path, dags: Path, url: str) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "1",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rsplit(":", 1)[1],
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": token_urlsafe(48),
    }


def _run(*words: str, environment: dict[str, str]) -> None:
    ended = subprocess.run([*_AIRFLOW, *words], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
