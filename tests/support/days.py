"""An Airflow with pipelines whose source has rows of any day: what a run is for shows in what it brings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import urllib3

from include.platform import airflow_config
from include.platform.demo.airflow import Airflow
from include.platform.embedded import postgres
from include.settings import ROOT, Runtime
from include.tracking.server import TrackingServer
from tests.support.faults import wait_until
from tests.support.lake import LakeServer, as_airflow
from tests.support.pipeline import write_pipeline
from tests.support.services import wait_until_it_answers
from tests.support.stack import database_folder
from tests.support.stock_airflow import StockAirflow, run_standalone

ZONE = "America/New_York"
_SOURCE = """
from datetime import timedelta
import pyarrow as pa


def read(first, last):
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        yield pa.RecordBatch.from_pydict({
            "time": [f"{day} 0{hour}:30:00" for hour in range(4)],
            "id": [day.toordinal() * 10 + hour for hour in range(4)],
            "amount": [10.5] * 4,
            "kind": ["book"] * 4,
            "returned": [0, 1, 0, 1],
        })
"""

_STARTERS = """
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

NAMED = {"logical_date": "2024-04-09T12:00:00+00:00"}
with DAG("starters", is_paused_upon_creation=False) as dag:
    for name, given in {"date": NAMED, "nothing": {}, "conf": {"conf": {"start": "2024-04-10"}}}.items():
        TriggerDagRunOperator(
            task_id=name, trigger_dag_id="named.ingest", trigger_run_id=f"operator-{name}", **given
        )
"""


def trigger(dag_id: str, run_id: str, *options: str) -> tuple[str, ...]:
    """Airflow's command that starts a run."""
    return "dags", "trigger", dag_id, "--run-id", run_id, *options


def backfill(dag_id: str, first: str, last: str) -> tuple[str, ...]:
    """Airflow's command that starts a backfill."""
    return "backfill", "create", "--dag-id", dag_id, "--from-date", first, "--to-date", last


@dataclass(frozen=True)
class Started:
    """What starts runs of a running Airflow, and what shows which days they brought."""

    airflow: StockAirflow
    api: Airflow

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the REST API answers to a request; raises AssertionError if it refuses it."""
        return self._ask("POST", path, json=body)

    def rest(self, dag_id: str, run_id: str, **body: Any) -> dict[str, Any]:
        """Start a run as other systems do, or as the form of the UI does."""
        return self.post(f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, **body})

    def runs(self, dag_id: str, run_type: str) -> list[dict[str, Any]]:
        """The runs of a type, by the time at which they were due."""
        found = self._ask("GET", f"dags/{dag_id}/dagRuns?run_type={run_type}&order_by=run_after&limit=100")
        runs: list[dict[str, Any]] = found["dag_runs"]
        return runs

    def due(self, dag_id: str, run_id: str) -> str:
        """The time at which a run was due."""
        return str(self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}")["run_after"])

    def brought(self, dag_id: str, run_id: str) -> tuple[date, date]:
        """Wait until an ingestion has ended well; the days of its branch."""
        wait_until(lambda: self._exists(dag_id, run_id))
        self.api.finish(dag_id, run_id)
        branch = self.api.result(dag_id, run_id, "open_branch")["branch"]
        days = branch.removeprefix("ingest-").rpartition("-")[0].split("_")
        return date.fromisoformat(days[0]), date.fromisoformat(days[-1])

    def brought_by(self, dag_id: str, run_type: str, number: int) -> list[tuple[date, date]]:
        """Wait for the first runs of a type; the days of each."""
        wait_until(lambda: len(self.runs(dag_id, run_type)) >= number)
        return [self.brought(dag_id, run["dag_run_id"]) for run in self.runs(dag_id, run_type)[:number]]

    def log(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        """The lines of a task's first try, each with the errors that it is about."""
        found = self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1")
        return [
            " ".join([str(line["event"]), *(error["exc_value"] for error in line.get("error_detail") or ())])
            for line in found["content"]
        ]

    def tries(self, dag_id: str, run_id: str, task_id: str) -> int:
        """How often a task was tried."""
        return int(self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")["try_number"])

    def _exists(self, dag_id: str, run_id: str) -> bool:
        return self._answer("GET", f"dags/{dag_id}/dagRuns/{run_id}").status == 200

    @contextmanager
    def paused(self, dag_id: str) -> Iterator[None]:
        """Pause a DAG during a block."""
        self._pause(dag_id, True)
        try:
            yield
        finally:
            self._pause(dag_id, False)

    def _pause(self, dag_id: str, is_paused: bool) -> None:
        self._ask("PATCH", f"dags/{dag_id}?update_mask=is_paused", json={"is_paused": is_paused})

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = self._answer(method, path, **more)
        assert answer.status == 200, answer.data
        found: dict[str, Any] = answer.json()
        return found

    def _answer(self, method: str, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        token = self.api._client.configuration.access_token
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return urllib3.request(method, f"{self.api.url}/api/v2/{path}", headers=headers, **more)


@contextmanager
def run_airflow(
    folder: Path, lake_server: LakeServer, mlflow: TrackingServer, pipelines: Mapping[str, dict[str, Any]]
) -> Iterator[Started]:
    """An Airflow over a folder, with pipelines of these schedules; stopped at the end."""
    dags, modules = folder / "dags", folder / "modules"
    for made in (dags, modules):
        made.mkdir()
    for stage in ("ingest", "train", "monitor"):
        (dags / f"{stage}.py").symlink_to(ROOT / f"dags/{stage}.py")
    (dags / "starters.py").write_text(_STARTERS)
    (modules / "rows_of_any_day.py").write_text(_SOURCE)
    repository = lake_server.lake(f"days-{folder.name}".lower().replace("_", "-")).repository
    for name, schedule in pipelines.items():
        _write(folder / "pipelines", name, repository, schedule)
    with _database() as database:
        airflow = StockAirflow(folder, {**_variables(folder, lake_server, mlflow), **database})
        with run_standalone(airflow) as api:
            for name in (*pipelines, "starters"):
                api.wait_for_dag(f"{name}.monitor" if name in pipelines else name)
            wait_until_it_answers(f"{api.url}/execution/health")  # its first request takes long, see Stack
            yield Started(airflow, api)


@contextmanager
def _database() -> Iterator[dict[str, str]]:
    """PostgreSQL: on SQLite a backfill and the scheduler lock each other out, and it fails."""
    with database_folder() as folder:
        socket = postgres.start(folder / "postgres")
        try:
            yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow", socket)}
        finally:
            postgres.stop(folder / "postgres")


def _write(parent: Path, name: str, repository: str, schedule: dict[str, Any]) -> None:
    source = {
        "reader": "python",
        "uri": None,
        "callable": "rows_of_any_day:read",
        "timezone": ZONE,
        "max_days": 40,
    }
    write_pipeline(
        parent,
        name,
        source=source,
        lake={"repository": repository, "table": name},
        schedule={"ingest": None, "monitor": None, **schedule},
    )


def _variables(folder: Path, lake_server: LakeServer, mlflow: TrackingServer) -> dict[str, str]:
    login = {"login": mlflow.username, "password": mlflow.password}
    return {
        **airflow_config.variables(airflow_config.sections(Runtime.PROCESS)),
        **airflow_config.QUIET,
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW_CONN_LAKEFS_DEFAULT": as_airflow(lake_server.connection),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "http", "host": mlflow.uri, **login}),
        "MILLRACE_AIRFLOW_RETRY_SECONDS": "1",
        "MILLRACE_PIPELINES": str(folder / "pipelines"),
        "MILLRACE_VAR": str(folder / "var"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}:{folder / 'modules'}",
    }


def each(first: date, number: int) -> list[tuple[date, date]]:
    """One run a day, from a day on."""
    found = [first + timedelta(days=one) for one in range(number)]
    return [(day, day) for day in found]
