"""The embedded Airflow never listens where other machines could try passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.exceptions import Misconfigured
from include.platform.embedded import airflow_host
from include.platform.embedded.__main__ import airflow
from include.platform.embedded.stack import Stack
from tests.support.stack import settings_in

EVERYWHERE = ("0.0.0.0", "::", "192.0.2.7", "airflow.example.org")
WAYS = (("--host", "0.0.0.0"), ("--host=0.0.0.0",), ("-H", "0.0.0.0"), ("-H0.0.0.0",), ("--ho", "0.0.0.0"))


@pytest.mark.parametrize("host", EVERYWHERE)
def test_a_host_of_the_environment_is_refused_before_anything_starts(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__HOST", host)
    with pytest.raises(Misconfigured, match=rf"AIRFLOW__API__HOST is '{host}'; .* \(docs/compose.md\)"):
        Stack(settings_in(tmp_path / "var")).up(lambda text: None)
    assert not (tmp_path / "var/secrets").exists()


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_host_of_the_command_line_is_refused(way: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"airflow api-server --host is '0\.0\.0\.0'"):
        airflow(Stack(settings_in(tmp_path / "var")), "api-server", "--port", "1", *way)


def test_an_option_without_its_value_is_left_to_airflow() -> None:
    airflow_host.check(["api-server", "--host"])


@pytest.mark.parametrize("host", ["", "127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_by_any_name_is_allowed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__HOST", host)
    airflow_host.check(["api-server", "--host", host or "127.0.0.1", "--workers", "1"])
    airflow_host.check(["dags", "list", "--host", "0.0.0.0"])
