"""Airflow's connection as SQLAlchemy's URL."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import make_url

from include.exceptions import Misconfigured
from millrace.hooks.sql import SqlHook


def url(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(fields))
    return SqlHook("shop").url


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"conn_type": "sqlite", "host": "/var/shop data.db"}, "sqlite:////var/shop data.db"),
        (
            {
                "conn_type": "postgres",
                "host": "db",
                "port": 5432,
                "login": "ada",
                "password": "p@ss/w",
                "schema": "shop",
            },
            "postgresql+psycopg2://ada:p%40ss%2Fw@db:5432/shop",
        ),
        (
            {
                "conn_type": "mysql+pymysql",
                "host": "db",
                "schema": "shop",
                "extra": {"charset": "utf8", "n": {"a": 1}},
            },
            "mysql+pymysql://db/shop?charset=utf8",
        ),
    ],
    ids=["sqlite", "postgres", "driver"],
)
def test_a_connection_becomes_a_url_of_sqlalchemy(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], expected: str
) -> None:
    rendered = url(monkeypatch, **fields)
    assert rendered == expected
    assert make_url(rendered).password == fields.get("password")


def test_a_connection_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="connection 'shop' lacks host"):
        url(monkeypatch, conn_type="postgres")


def test_a_hook_opens_nothing_when_it_is_made() -> None:
    assert vars(SqlHook("none")).get("url") is None
