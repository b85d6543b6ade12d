"""Where MLflow is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from include.exceptions import Misconfigured, Unauthorized
from include.jobs.spec import Job
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer
from millrace.hooks.mlflow import MlflowHook
from millrace.operators.pipeline import PipelineOperator
from tests.support.loop import DAYS, Loop
from tests.support.services import run_mlflow


@pytest.fixture(scope="module")
def private_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    with run_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def uri(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_TRACKING", json.dumps({"conn_type": "http", **fields}))
    return MlflowHook("tracking").connection.uri


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "http://mlflow:5000"}, "http://mlflow:5000"),
        ({"host": "https://mlflow.example"}, "https://mlflow.example"),
        ({"host": "mlflow", "port": 5000}, "http://mlflow:5000"),
        ({"host": "mlflow", "schema": "https"}, "https://mlflow"),
        ({"host": "sqlite:////var/mlflow.db"}, "sqlite:////var/mlflow.db"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_connection_becomes_a_url(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], expected: str
) -> None:
    assert uri(monkeypatch, **fields) == expected


def test_a_connection_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="connection 'tracking' lacks host: MLflow's URL"):
        uri(monkeypatch)


def test_a_hook_opens_nothing_when_it_is_made() -> None:
    assert vars(MlflowHook("not there")).keys() & {"_connection", "connection"} == set()


@pytest.mark.parametrize(("given", "lacking"), [("login", "password"), ("password", "login")])
def test_half_a_login_is_refused(monkeypatch: pytest.MonkeyPatch, given: str, lacking: str) -> None:
    with pytest.raises(Misconfigured, match=f"connection 'tracking' lacks {lacking}: MLflow's login is both"):
        uri(monkeypatch, host="http://mlflow:5000", **{given: "x"})


def test_a_container_has_its_own_address_and_the_same_login(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"host": "http://a:1", "login": "me", "password": "p", "extra": {"container_host": "http://b:2"}}
    uri(monkeypatch, **fields)
    found = MlflowHook("tracking").container_connection
    assert found == TrackingServer(uri="http://b:2", username="me", password="p")
    assert "password" not in repr(found)


@pytest.mark.parametrize(("extra", "folder"), [({"artifacts": "/a/b"}, Path("/a/b")), ({}, None)])
def test_artifacts_are_on_this_machine_where_the_connection_says_so(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, str], folder: Path | None
) -> None:
    uri(monkeypatch, host="http://a:1", extra=extra)
    assert MlflowHook("tracking").artifacts == folder


def test_an_operator_logs_in_where_mlflow_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, private_mlflow: TrackingServer
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "stranger")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(Unauthorized, match=r"refused experiment 'a'.*correct the connection's credentials"):
        _ = Experiment(TrackingServer(uri=private_mlflow.uri), "a").id
    login = {"login": private_mlflow.username, "password": private_mlflow.password}
    fields = {"conn_type": "http", "host": private_mlflow.uri, **login}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(fields))
    operator = PipelineOperator(task_id="any", pipeline_name="orders")
    assert Experiment(operator.connect_tracking(), "a").id


def test_one_ordinary_user_is_enough_for_airflow_and_its_jobs(
    monkeypatch: pytest.MonkeyPatch, private_mlflow: TrackingServer, loop: Loop
) -> None:
    """As docs/cluster.md has it for a cluster."""
    password = "an-ordinary-password"
    asked = urllib3.request(
        "POST",
        f"{private_mlflow.uri}/api/2.0/mlflow/users/create",
        json={"username": "millrace", "password": password},
        headers=urllib3.make_headers(basic_auth=f"{private_mlflow.username}:{private_mlflow.password}"),
    )
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "millrace")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    shop = Loop(loop.folder, loop.lake, TrackingServer(uri=private_mlflow.uri))
    trained = shop.run(Job.TRAIN, DAYS - 1)
    assert asked.status == 200
    assert shop.promote(trained["run_id"]) == 1
    assert shop.run(Job.EVALUATE, DAYS - 1, candidate=trained["run_id"])["champion_version"] == 1
