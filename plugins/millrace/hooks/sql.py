"""SQLAlchemy URLs from Airflow connections."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from include.exceptions import MillraceError, Misconfigured

if TYPE_CHECKING:
    from sqlalchemy import URL


# Airflow connection types whose SQLAlchemy dialect has another name, or a default driver that is not
# installed: for `postgresql` SQLAlchemy 2.1 takes psycopg 3.
_DIALECTS = {"postgres": "postgresql+psycopg2"}


class SqlHook(BaseHook):
    """A connection to the database of a source.

    Fields of the connection: type (`postgres`, `mysql`, `sqlite`, or an SQLAlchemy dialect with a driver,
    such as `postgresql+psycopg2`), host (for sqlite the file), schema (the database), port, login, password.
    String values of the extra become query parameters of the URL, which SQLAlchemy passes to the driver.
    """

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def url(self) -> str:
        """URL of the database for SQLAlchemy, with the password; raises Misconfigured without a host.

        `Connection.get_uri()` does not fit: SQLAlchemy does not accept `postgres://` or an escaped file path.
        """
        return self._url.render_as_string(hide_password=False)

    @property
    def _url(self) -> URL:
        from sqlalchemy import URL

        connection = self.get_connection(self.conn_id)
        if not connection.host:
            raise Misconfigured(
                f"connection {self.conn_id!r} lacks host; set the database's host, or sqlite's file"
            )
        if connection.conn_type == "sqlite":
            return URL.create("sqlite", database=connection.host)
        return URL.create(
            _DIALECTS.get(str(connection.conn_type), str(connection.conn_type)),
            username=connection.login,
            password=connection.password,
            host=connection.host,
            port=connection.port,
            database=connection.schema,
            query={name: value for name, value in connection.extra_dejson.items() if isinstance(value, str)},
        )


def main() -> None:
    """Print the URL of the connection that the command line names; raises Misconfigured without a host."""
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        print(SqlHook(sys.argv[1]).url)  # noqa: T201 - for the program that asks
    except AirflowNotFoundException as error:
        sys.exit(f"{error}; add it")
    except MillraceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
