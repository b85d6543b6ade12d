"""The platform's databases are created on a real PostgreSQL; creating them again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from include.platform.compose.databases import OWNERS, ensure
from include.platform.embedded import postgres
from tests.support.stack import database_folder

PASSWORDS = {"airflow": "one", "mlflow": "two", "lakefs": "three"}


@pytest.fixture(scope="module")
def superuser() -> Iterator[Any]:
    """A connection to a separate server."""
    with database_folder() as folder:
        socket = postgres.start(folder / "postgres")
        try:
            with closing(psycopg2.connect(host=socket, user="postgres", dbname="postgres")) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    for name in postgres.DATABASES:  # the databases of the embedded stack
                        cursor.execute(f'DROP DATABASE "{name}"')
                yield connection
        finally:
            postgres.stop(folder / "postgres")


def rows(connection: Any, query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_each_database_has_its_owner_and_is_closed_to_the_others(superuser: Any) -> None:
    assert ensure(superuser, PASSWORDS) == list(OWNERS)

    found = rows(
        superuser,
        "SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database "
        "WHERE NOT datistemplate AND datname <> 'postgres'",
    )
    assert sorted(found) == sorted((name, owner, "UTF8") for name, owner in OWNERS.items())
    query = "SELECT has_database_privilege('mlflow', 'airflow', 'CONNECT')"
    assert rows(superuser, query) == [(False,)]
    assert rows(superuser, query.replace("'mlflow'", "'airflow'")) == [(True,)]


def test_again_nothing_is_made_and_a_new_password_counts(superuser: Any) -> None:
    ensure(superuser, PASSWORDS)
    secrets = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('airflow', 'lakefs')"
    before = dict(rows(superuser, secrets))

    assert ensure(superuser, PASSWORDS | {"airflow": "new"}) == []

    after = dict(rows(superuser, secrets))
    assert after["airflow"] != before["airflow"]
    assert after["airflow"].startswith("SCRAM-SHA-256$")
