"""Sensors of the lake wait for what does not exist yet, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException

from include.exceptions import Unauthorized, Unavailable
from include.lake.client import Lake
from millrace.sensors.lakefs import LakeFSCommitSensor
from tests.support.lake import free_port
from tests.support.task import run


def wait(lake: Lake, ref: str = "main", known: str = "") -> object:
    return run(LakeFSCommitSensor(task_id="wait", repository=lake.repository, ref=ref, known_commit=known))


def test_a_commit_sensor_returns_the_commit_of_its_ref(lake: Lake, connections: None) -> None:
    assert wait(lake) == {"ref": "main", "commit": lake.resolve("main")}


def test_it_waits_for_a_ref_and_for_another_commit_than_the_known_one(
    lake: Lake, connections: None, tmp_path: Path
) -> None:
    known = lake.resolve("main")
    with pytest.raises(AirflowRescheduleException):
        wait(lake, ref="later")
    with pytest.raises(AirflowRescheduleException):
        wait(lake, known=known)
    (tmp_path / "a").write_text("a")
    lake.upload("main", "a", tmp_path / "a")
    commit = lake.commit("main", "a", {})
    assert wait(lake, known=known) == {"ref": "main", "commit": commit}


def test_it_does_not_wait_for_a_lake_that_is_silent_or_refuses(
    lake: Lake, connections: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = f'"conn_type": "lakefs", "host": "http://127.0.0.1:{free_port()}"'
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", f'{{{host}, "login": "a", "password": "b"}}')
    with pytest.raises(Unavailable):
        wait(lake)
    host = f'"conn_type": "lakefs", "host": "{lake.connection.endpoint}"'
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", f'{{{host}, "login": "a", "password": "b"}}')
    with pytest.raises(Unauthorized):
        wait(lake)
