"""Airflow's connection as the record of a lake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.exceptions import Misconfigured
from include.lake.client import LakeConnection
from millrace.hooks.lakefs import LakeFSHook
from tests.support.lake import LakeServer, free_port

KEYS = {"login": "key", "password": "secret"}


def hook(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> LakeFSHook:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "lakefs", **fields}))
    return LakeFSHook("lake")


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({"host": "http://lake:8000"}, "http://lake:8000"),
        ({"host": "https://lake.example"}, "https://lake.example"),
        ({"host": "lake", "port": 8000}, "http://lake:8000"),
        ({"host": "lake", "port": 443, "schema": "https"}, "https://lake:443"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_connection_becomes_a_record(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], endpoint: str
) -> None:
    expected = LakeConnection(endpoint=endpoint, access_key_id="key", secret_access_key="secret")
    assert hook(monkeypatch, **KEYS, **fields).connection == expected


def test_certificates_are_verified_unless_the_extra_disables_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hook(monkeypatch, **KEYS, host="h").connection.verify_tls is True
    connection = hook(monkeypatch, **KEYS, host="h", extra={"verify_tls": False}).connection
    assert connection.verify_tls is False


@pytest.mark.parametrize(
    ("fields", "missing"),
    [({}, "host, login, password"), ({"host": "h", "login": "key"}, "password"), (KEYS, "host")],
    ids=["all", "password", "host"],
)
def test_all_missing_fields_are_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], missing: str
) -> None:
    with pytest.raises(Misconfigured, match=f"connection 'lake' lacks {missing}: host is the lake's URL"):
        _ = hook(monkeypatch, **fields).connection


def test_a_record_keeps_its_secret_out_of_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "secret" not in repr(hook(monkeypatch, **KEYS, host="h").connection)


def test_a_hook_opens_nothing_when_it_is_made_nor_for_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "connection" not in vars(LakeFSHook("not there"))
    assert hook(monkeypatch, **KEYS, host=f"http://127.0.0.1:{free_port()}").lake("shop").repository == "shop"


def test_a_connection_can_be_tested_in_the_web_ui(
    monkeypatch: pytest.MonkeyPatch, lake_server: LakeServer
) -> None:
    connection = lake_server.connection
    keys = {"login": connection.access_key_id, "password": connection.secret_access_key}
    works, message = hook(monkeypatch, host=connection.endpoint, **keys).test_connection()
    assert (works, message.endswith(f"at {connection.endpoint}")) == (True, True)
    for fields, fault in (
        ({"host": connection.endpoint, **KEYS}, "refused access key 'key'"),
        ({"host": f"http://127.0.0.1:{free_port()}", **keys}, "does not answer"),
        ({}, "lacks host, login, password"),
    ):
        works, message = hook(monkeypatch, **fields).test_connection()
        assert (works, fault in message) == (False, True)
