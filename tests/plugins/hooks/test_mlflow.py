"""Where MLflow is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.exceptions import Misconfigured
from millrace.hooks.mlflow import MlflowHook


def uri(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_TRACKING", json.dumps({"conn_type": "http", **fields}))
    return MlflowHook("tracking").tracking_uri


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
    assert "tracking_uri" not in vars(MlflowHook("not there"))
