"""Servers that many tests share."""

from __future__ import annotations

import atexit
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.settings import ROOT
from include.tracking.server import TrackingServer
from tests.support.lake import LakeServer, run_lake_server
from tests.support.lakefs_binary import BINARY, NO_BINARY, run_fresh_lakefs
from tests.support.loop import DAYS, Loop, put, rows, write_loop
from tests.support.mlflow import make_store

# Before these libraries are imported: a test calls nobody outside, and leaves the user's own Airflow alone.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
_home = TemporaryDirectory(prefix="millrace-airflow-")
atexit.register(_home.cleanup)
os.environ["AIRFLOW_HOME"] = _home.name
# The plugin registers the schedule of the DAGs; Airflow stores no DAG whose schedule is not registered.
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start a stack come first: they take minutes, and the last file is waited for by all.

    Of those the ones with fewest tests, which are chains of long ones; of the others the ones with most.
    xdist hands files out in this order with `--no-loadscope-reorder` only.
    """
    slow = {item.path for item in items if item.get_closest_marker("stack")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (0, tests[item.path]) if item.path in slow else (1, -tests[item.path]))


@pytest.fixture(scope="session")
def lake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    """One lake server for all tests that leave it running."""
    with run_lake_server(tmp_path_factory.mktemp("lake")) as server:
        yield server


@pytest.fixture
def lake(lake_server: LakeServer) -> Lake:
    """A repository of the test's own."""
    return lake_server.lake(f"test-{uuid4().hex[:12]}")


@pytest.fixture
def fresh_lakefs(tmp_path: Path) -> Iterator[LakeConnection]:
    """A real lakeFS over PostgreSQL that nobody has set up; skipped where there is no program."""
    if not BINARY:
        pytest.skip(NO_BINARY)
    with run_fresh_lakefs(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> TrackingServer:
    """One MLflow store for all tests: experiments are named after a pipeline of the test's own."""
    return TrackingServer(uri=make_store(tmp_path_factory.mktemp("mlflow")))


@pytest.fixture(autouse=True)
def _store_of_the_test(request: pytest.FixtureRequest) -> None:
    """Let MLflow look models up in that store again, after other tests have made stores of their own."""
    if "tracking" in request.fixturenames:
        import mlflow

        mlflow.set_tracking_uri(request.getfixturevalue("tracking").uri)


@pytest.fixture(scope="session")
def month(lake_server: LakeServer) -> Lake:
    """A repository whose `main` holds a month of orders; tests that change it take a branch."""
    lake = lake_server.lake("month")
    put(Table(lake, "orders"), "main", {number: rows(number) for number in range(DAYS)})
    return lake


@pytest.fixture
def loop(tmp_path: Path, month: Lake, tracking: TrackingServer) -> Loop:
    """A pipeline of the test's own, on a branch of its own with a month of orders."""
    name = f"orders_{uuid4().hex[:12]}"
    month.create_branch(name, "main")
    folder = write_loop(tmp_path / "pipelines", name, repository=month.repository, branch=name)
    return Loop(folder, month, tracking)
