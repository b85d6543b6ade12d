"""Millrace in an Airflow 3.3 with stock settings, added by the commands of docs/existing-airflow.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from include.contract import loader
from include.settings import ROOT, settings
from include.tracking.server import TrackingServer
from tests.support.dags import ALWAYS
from tests.support.guide import commands, exported, section, session, shell
from tests.support.lake import LakeServer
from tests.support.pipeline import day, orders, write_csv, write_pipeline
from tests.support.services import run_mlflow
from tests.support.stock_airflow import StockAirflow, run_standalone

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]
PAGE = "docs/existing-airflow.md"
FOLDERS = ("If Airflow has no DAGs and plugins of its own", "If it has")


def follow(airflow: StockAirflow, title: str, **values: str) -> StockAirflow:
    """Run the commands of a section, with values of the test in place of the page's."""
    script = commands(section(PAGE, title)).replace("/opt/millrace", str(ROOT))
    for name, value in values.items():
        script = script.replace(EXAMPLES[name], value)
    return airflow.having(exported(script, airflow.environment, airflow.home))


EXAMPLES = {
    "lake": "https://lakefs.example.com",
    "key": "AKIAEXAMPLE",
    "secret": "the-secret-key",
    "mlflow": "https://mlflow.example.com",
    "user": '"millrace"',
    "password": "the-password",
    "pipelines": "/srv/pipelines",
    "storage": "s3://bucket/millrace",
}


@pytest.fixture
def airflow(tmp_path: Path) -> StockAirflow:
    """An Airflow that has a DAG and a folder for plugins of its own."""
    for folder in ("dags", "plugins"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dags/theirs.py").write_text("from airflow.sdk import DAG\n\nwith DAG('theirs'):\n    pass\n")
    return StockAirflow(tmp_path)


@pytest.mark.parametrize("folders", FOLDERS)
def test_every_dag_appears(folders: str, airflow: StockAirflow) -> None:
    airflow = follow(follow(airflow, folders), "The connections")

    airflow.parse()

    rows = airflow.rows("dags", "list")
    found = {row["dag_id"] for row in rows if row["fileloc"].startswith(f"{ROOT}/dags/")}
    assert found == {f"{name}.{stage}" for name in loader.names(settings().pipelines) for stage in ALWAYS}
    assert ("theirs" in {row["dag_id"] for row in rows}) == (folders == FOLDERS[1])
    assert "millrace" in {row["name"] for row in airflow.rows("plugins")}
    for command, shown in session(section(PAGE, "Check that it works")):
        printed = shell(command, airflow.environment, airflow.home).splitlines()[-len(shown) :]
        # A column is as wide as its longest value, and Airflow's examples have longer ones.
        assert [line.split() for line in printed] == [line.split() for line in shown]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    with run_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def test_rows_reach_the_lake(lake_server: LakeServer, mlflow: TrackingServer, airflow: StockAirflow) -> None:
    pipelines, repository = airflow.home / "pipelines", f"orders-{uuid4().hex[:12]}"
    folder = write_pipeline(pipelines, "orders", lake={"repository": repository})
    write_csv(folder / "orders.csv", orders(0, 1))
    lake = lake_server.connection
    login = {"lake": lake.endpoint, "key": lake.access_key_id, "secret": lake.secret_access_key}
    tracking = {"mlflow": mlflow.uri, "user": f'"{mlflow.username}"', "password": mlflow.password}
    airflow = follow(follow(airflow, FOLDERS[0]), "The connections", **login, **tracking)
    places = {"pipelines": str(pipelines), "storage": "local://lake"}
    airflow = follow(airflow, "Pipelines and their repositories", **login, **places)

    with run_standalone(airflow) as api:
        api.wait_for_dag("orders.ingest")
        api.run("orders.ingest", "first", {"start": f"{day(0)}", "end": f"{day(1)}"})

    assert lake_server.lake(repository).get_commit("main").metadata["rows"] == "8"


@pytest.mark.soak
def test_the_commands_that_remove_it_leave_the_dags_of_others(airflow: StockAirflow) -> None:
    airflow = follow(airflow, FOLDERS[1])
    airflow.parse()
    for name in ("lakefs", "mlflow"):
        airflow.command("connections", "add", f"{name}_default", "--conn-type", "http")

    shell(commands(section(PAGE, "Remove it again")), airflow.environment, airflow.home)

    found = {row["dag_id"] for row in airflow.rows("dags", "list")}
    assert "theirs" in found
    assert not re.findall(r"flights\.ingest", " ".join(found))
    assert list((airflow.home / "plugins").glob("*.py")) == []
