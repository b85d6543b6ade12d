"""Airflow's connections to the test servers, and pipelines where the settings look for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.settings import settings
from include.tracking.server import TrackingServer
from tests.support.lake import LakeServer, as_airflow
from tests.support.loop import Loop


@pytest.fixture
def lake_connection(monkeypatch: pytest.MonkeyPatch, lake_server: LakeServer) -> None:
    """The connection that operators of the lake use by default."""
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", as_airflow(lake_server.connection))


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch, lake_connection: None, tracking: TrackingServer) -> None:
    """The connections that operators use by default."""
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "http", "host": tracking.uri}))


@pytest.fixture
def use_pipelines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Lets the settings name another folder of pipelines."""

    def use(folder: Path) -> None:
        monkeypatch.setenv("MILLRACE_PIPELINES", str(folder))
        settings.cache_clear()

    yield use
    settings.cache_clear()


@pytest.fixture
def shop(loop: Loop, connections: None, use_pipelines: Callable[[Path], None]) -> Loop:
    """A pipeline with a month of orders that operators find by its name."""
    use_pipelines(loop.folder.parent)
    return loop
