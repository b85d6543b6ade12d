"""The settings of the first start, and what it creates from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest
import urllib3
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.executor_loader import ExecutorLoader

from include.exceptions import Misconfigured, Unauthorized, Unavailable
from include.lake.client import Lake, LakeConnection
from include.platform.compose import init
from include.platform.compose.settings import InitSettings
from include.tracking.server import TrackingServer
from tests.support.lake import ACCESS_KEY, SECRET_KEY, LakeServer
from tests.support.services import run_mlflow

TOLD = {
    "AIRFLOW_ADMIN_PASSWORD": "a",
    "MLFLOW_ENDPOINT": "http://mlflow:5000",
    "MLFLOW_URL": "http://localhost:5000",
    "MLFLOW_ADMIN_PASSWORD": "m",
    "MLFLOW_PASSWORD": "w",
    "LAKE_ENDPOINT": "http://lakefs:8000",
    "LAKE_URL": "http://localhost:8000",
    "LAKE_STORAGE": "local://",
    "LAKE_ACCESS_KEY_ID": ACCESS_KEY,
    "LAKE_SECRET_ACCESS_KEY": SECRET_KEY,
}


def told(**changed: str) -> InitSettings:
    return InitSettings.model_validate(TOLD | changed)


@pytest.mark.parametrize(
    ("profiles", "executor"),
    [("", "LocalExecutor"), ("monitoring", "LocalExecutor"), ("monitoring,celery", "CeleryExecutor")],
)
def test_executor_and_profiles_that_go_together_pass(profiles: str, executor: str) -> None:
    init.check(told(COMPOSE_PROFILES=profiles, AIRFLOW__CORE__EXECUTOR=executor))


@pytest.mark.parametrize(
    ("profiles", "executor", "remedy"),
    [
        ("celery", "LocalExecutor", "set it to 'CeleryExecutor', or remove the profile 'celery'"),
        ("", "CeleryExecutor", "set it to 'LocalExecutor', or add the profile 'celery'"),
    ],
)
def test_tasks_that_nobody_would_run_are_an_error(profiles: str, executor: str, remedy: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        init.check(told(COMPOSE_PROFILES=profiles, AIRFLOW__CORE__EXECUTOR=executor))
    assert str(caught.value).endswith(remedy)


def test_the_connections_are_those_that_the_hooks_read() -> None:
    assert init.connections(told()) == {
        "lakefs_default": {
            "conn_type": "lakefs",
            "host": "http://lakefs:8000",
            "login": ACCESS_KEY,
            "password": SECRET_KEY,
            "extra": {"ui_url": "http://localhost:8000", "storage": "local://"},
        },
        "mlflow_default": {
            "conn_type": "http",
            "host": "http://mlflow:5000",
            "login": "millrace",
            "password": "w",
            "extra": {"ui_url": "http://localhost:5000"},
        },
    }


@pytest.mark.parametrize("storage", ["local://", "local://team"])
def test_every_pipeline_has_its_repository_and_twice_is_harmless(
    lake_server: LakeServer, storage: str
) -> None:
    asked = told(LAKE_ENDPOINT=lake_server.connection.endpoint, LAKE_STORAGE=storage)
    for _ in range(2):
        init.prepare_lake(asked)
    assert Lake(lake_server.connection, "flights").ref_exists("main")


def test_a_lake_that_nobody_has_set_up_is_set_up(fresh_lakefs: LakeConnection) -> None:
    asked = told(
        LAKE_ENDPOINT=fresh_lakefs.endpoint,
        LAKE_ACCESS_KEY_ID=fresh_lakefs.access_key_id,
        LAKE_SECRET_ACCESS_KEY=fresh_lakefs.secret_access_key,
    )
    for _ in range(2):
        init.prepare_lake(asked)
    assert Lake(fresh_lakefs, "flights").ref_exists("main")


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    with run_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def told_of(mlflow: TrackingServer, **changed: str) -> InitSettings:
    known = {
        "MLFLOW_ENDPOINT": mlflow.uri,
        "MLFLOW_ADMIN_PASSWORD": mlflow.password,
        "MLFLOW_PASSWORD": "an-ordinary-password",
    }
    return told(**known | changed)


def as_worker(mlflow: TrackingServer, path: str, **body: object) -> int:
    """Call MLflow's API as Airflow's user; return the status."""
    who = urllib3.make_headers(basic_auth="millrace:an-ordinary-password")
    return urllib3.request("POST", f"{mlflow.uri}/api/2.0/mlflow/{path}", json=body, headers=who).status


def test_airflows_user_of_mlflow_is_made_once_and_is_no_admin(mlflow: TrackingServer) -> None:
    for _ in range(2):
        init.prepare_mlflow(told_of(mlflow))
    assert as_worker(mlflow, "experiments/search", max_results=1) == 200
    assert as_worker(mlflow, "users/create", username="x", password="twelve-letters") == 403


def test_passwords_that_were_changed_since_do_no_harm(mlflow: TrackingServer) -> None:
    init.prepare_mlflow(told_of(mlflow))
    init.prepare_mlflow(told_of(mlflow, MLFLOW_ADMIN_PASSWORD="another-since"))
    init.prepare_mlflow(told_of(mlflow, MLFLOW_PASSWORD="another-since"))


def test_a_wrong_password_is_reported_with_its_remedy(mlflow: TrackingServer) -> None:
    wrong = told_of(mlflow, MLFLOW_ADMIN_PASSWORD="another-since", MLFLOW_PASSWORD="another-since")
    with pytest.raises(Unauthorized, match=r"MLFLOW_ADMIN_PASSWORD in .env was used at"):
        init.prepare_mlflow(wrong)


def test_a_password_that_mlflow_does_not_take_is_told_with_its_reason(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    refused = pytest.raises(Misconfigured, match=r"MLFLOW_PASSWORD of \.env: .*12 characters")
    with run_mlflow(tmp_path_factory.mktemp("fresh")) as fresh, refused:
        init.prepare_mlflow(told_of(fresh, MLFLOW_PASSWORD="short"))


def test_an_mlflow_that_is_away_is_waited_for() -> None:
    with pytest.raises(Unavailable, match=r"MLflow at 'http://127.0.0.1:1' does not answer"):
        init.prepare_mlflow(told(MLFLOW_ENDPOINT="http://127.0.0.1:1"))


def test_a_command_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "airflow").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "airflow").chmod(0o755)
    with pytest.raises(Unavailable, match="'airflow db migrate' ended with 3"):
        init.airflow("db", "migrate", "--verbose")


@pytest.mark.parametrize("executor", ["LocalExecutor", "CeleryExecutor"])
def test_an_executor_can_be_loaded(executor: str) -> None:
    """Celery 5.7 removed a name that the provider imports, which shows only when a scheduler starts."""
    known = resolve_name(ExecutorLoader.executors[executor])
    assert issubclass(known, BaseExecutor)
