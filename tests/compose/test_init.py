"""What the first start is told, and what it makes of it."""

from __future__ import annotations

from pkgutil import resolve_name

import pytest
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.executor_loader import ExecutorLoader

from include.compose import init
from include.exceptions import Misconfigured, Unavailable
from include.lake.client import Lake, LakeConnection
from include.settings import InitSettings
from tests.support.lake import ACCESS_KEY, SECRET_KEY, LakeServer

TOLD = {
    "AIRFLOW_ADMIN_PASSWORD": "a",
    "MLFLOW_ENDPOINT": "http://mlflow:5000",
    "MLFLOW_URL": "http://localhost:5000",
    "MLFLOW_ADMIN_PASSWORD": "m",
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
            "extra": {"ui_url": "http://localhost:8000"},
        },
        "mlflow_default": {
            "conn_type": "http",
            "host": "http://mlflow:5000",
            "login": "admin",
            "password": "m",
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
    assert Lake(lake_server.connection, "flights").exists("main")


def test_a_lake_that_nobody_has_set_up_is_set_up(fresh_lakefs: LakeConnection) -> None:
    asked = told(
        LAKE_ENDPOINT=fresh_lakefs.endpoint,
        LAKE_ACCESS_KEY_ID=fresh_lakefs.access_key_id,
        LAKE_SECRET_ACCESS_KEY=fresh_lakefs.secret_access_key,
    )
    for _ in range(2):
        init.prepare_lake(asked)
    assert Lake(fresh_lakefs, "flights").exists("main")


def test_a_command_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "airflow").write_text("#!/bin/sh\nexit 3\n")  # type: ignore[operator]
    (tmp_path / "airflow").chmod(0o755)  # type: ignore[operator]
    with pytest.raises(Unavailable, match="'airflow db migrate' ended with 3"):
        init.airflow("db", "migrate", "--verbose")


@pytest.mark.parametrize("executor", ["LocalExecutor", "CeleryExecutor"])
def test_an_executor_can_be_loaded(executor: str) -> None:
    """Celery 5.7 took away what the provider imports, and only a started scheduler said so."""
    known = resolve_name(ExecutorLoader.executors[executor])
    assert issubclass(known, BaseExecutor)
