"""The environment of the parts depends on the settings, and not on the caller's shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from include.platform.embedded import stack_secrets
from include.platform.embedded.environment import environment
from include.platform.embedded.gateway import Gateway
from include.settings import MIN_SECRET, AirflowGroup, LakeFSGroup, MLflowGroup, PrivacyGroup, Settings


def made(var: Path, database: str = "/sockets", **fields: object) -> dict[str, str]:
    """Return the environment of a stack below `var`."""
    settings = Settings.model_validate(
        {"var": var, "mlflow": {"port": 5001}, "lakefs": {"port": 8001}, **fields}
    )
    return environment(settings, stack_secrets.ensure(var), database)


def test_the_callers_airflow_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(tmp_path)
    for name in ("AIRFLOW__CORE__EXECUTOR", "AIRFLOW__LOGGING__REMOTE_LOGGING", "AIRFLOW_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    found = made(tmp_path)

    assert found == {name: value for name, value in before.items() if name != "PYTHONDONTWRITEBYTECODE"}
    assert found["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert found["AIRFLOW_HOME"] == str(tmp_path / "airflow")


def test_a_proxy_is_not_asked_for_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intra.example")
    monkeypatch.delenv("no_proxy", raising=False)

    found = made(tmp_path)

    assert found["NO_PROXY"] == "intra.example,127.0.0.1,localhost"
    assert found["no_proxy"] == "127.0.0.1,localhost"


def test_every_address_is_loopback_and_follows_its_port(tmp_path: Path) -> None:
    found = made(tmp_path, airflow={"port": 8081})

    assert found["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8081"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8081/execution/"
    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5001"
    assert found["LAKEFS_LISTEN_ADDRESS"] == "127.0.0.1:8001"
    assert json.loads(found["AIRFLOW_CONN_MLFLOW_DEFAULT"])["host"] == "http://127.0.0.1:5001"
    assert json.loads(found["AIRFLOW_CONN_LAKEFS_DEFAULT"])["host"] == "http://127.0.0.1:8001"


@pytest.mark.parametrize("socket", ["/sockets", "/with space/and & and %/ümlaut"])
def test_the_databases_are_reached_below_any_folder(tmp_path: Path, socket: str) -> None:
    found = made(tmp_path, socket)

    assert make_url(found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]).query["host"] == socket
    assert make_url(found["MILLRACE_MLFLOW_BACKEND"]).query["host"] == socket


def test_the_parts_read_the_settings_they_were_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(var=tmp_path, airflow=AirflowGroup(port=8081, retry_seconds=0.5), code_version="abc")
    variables = environment(settings, stack_secrets.ensure(tmp_path), "/sockets")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    generated = stack_secrets.ensure(tmp_path)
    privacy = PrivacyGroup(secret=SecretStr(generated.privacy_secret))
    own = {"deployment": generated.deployment, "privacy": privacy}
    assert Settings() == settings.model_copy(update=own)


def test_a_stack_is_told_from_all_others_wherever_it_lies(tmp_path: Path) -> None:
    first = made(tmp_path / "first")["MILLRACE_DEPLOYMENT"]
    other = made(tmp_path / "other")["MILLRACE_DEPLOYMENT"]

    assert len({first, other, ""}) == 3
    assert made(tmp_path / "first")["MILLRACE_DEPLOYMENT"] == first
    assert made(tmp_path / "first", deployment="ours")["MILLRACE_DEPLOYMENT"] == "ours"


def test_hashes_have_the_secret_that_was_generated_unless_one_is_set(tmp_path: Path) -> None:
    generated = stack_secrets.ensure(tmp_path).privacy_secret

    assert made(tmp_path)["MILLRACE_PRIVACY_SECRET"] == generated
    assert len(generated) >= MIN_SECRET
    own = made(tmp_path, privacy=PrivacyGroup(secret=SecretStr("of-before-" * 4)))
    assert own["MILLRACE_PRIVACY_SECRET"] == "of-before-" * 4
    assert stack_secrets.ensure(tmp_path).privacy_secret == generated


def test_tasks_log_in_to_mlflow_and_hold_no_password_of_a_person(tmp_path: Path) -> None:
    secrets = stack_secrets.ensure(tmp_path)
    found = environment(Settings(var=tmp_path), secrets, "/sockets")

    connection = json.loads(found["AIRFLOW_CONN_MLFLOW_DEFAULT"])
    assert (connection["login"], connection["password"]) == ("millrace", secrets.mlflow_password)
    assert secrets.airflow_password not in " ".join(found.values())


def test_containers_are_told_of_the_gateway_and_mlflow_lets_them_in(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, mlflow=MLflowGroup(port=5001), lakefs=LakeFSGroup(port=8001))
    made = stack_secrets.ensure(tmp_path)

    found = environment(settings, made, "/sockets", Gateway("172.19.0.1", "br-1"))

    assert json.loads(found["AIRFLOW_CONN_LAKEFS_DEFAULT"])["extra"] == {
        "ui_url": "none",
        "storage": "local://",
        "container_host": "http://172.19.0.1:8001",
    }
    assert json.loads(found["AIRFLOW_CONN_MLFLOW_DEFAULT"])["extra"] == {
        "artifacts": str(tmp_path / "mlflow"),
        "container_host": "http://172.19.0.1:5001",
    }
    assert found["MILLRACE_MLFLOW_HOSTS"] == "127.0.0.1:5001,localhost:5001,172.19.0.1:5001"
    assert found["MILLRACE_CONTAINER_GATEWAY"] == "172.19.0.1%br-1"
    assert found["LAKEFS_LISTEN_ADDRESS"] == "127.0.0.1:8001"
    assert environment(settings, made, "/sockets")["MILLRACE_MLFLOW_HOSTS"] == "127.0.0.1:5001,localhost:5001"
