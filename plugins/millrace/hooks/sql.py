"""A database, by an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from include.exceptions import Misconfigured

if TYPE_CHECKING:
    from sqlalchemy import URL


# Airflow's names of connection types that SQLAlchemy has others for.
_DIALECTS = {"postgres": "postgresql"}


class SqlHook(BaseHook):
    """Where a source's database is.

    The connection's fields: type (`postgres`, `mysql`, `sqlite`, or a dialect of SQLAlchemy with a driver,
    such as `postgresql+psycopg2`), host (sqlite: the file), schema (the database), port, login, password;
    text in its extra goes to the driver.
    """

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def url(self) -> str:
        """The database's URL for SQLAlchemy, with the password; raises Misconfigured if there is no host.

        (The connection's own `get_uri()` is not one: `postgres://`, and a file's path escaped.)
        """
        return self._url.render_as_string(hide_password=False)

    @property
    def _url(self) -> URL:
        from sqlalchemy import URL

        found = self.get_connection(self.conn_id)
        if not found.host:
            raise Misconfigured(f"connection {self.conn_id!r} lacks host: the database's, or sqlite's file")
        if found.conn_type == "sqlite":
            return URL.create("sqlite", database=found.host)
        return URL.create(
            _DIALECTS.get(str(found.conn_type), str(found.conn_type)),
            username=found.login,
            password=found.password,
            host=found.host,
            port=found.port,
            database=found.schema,
            query={name: value for name, value in found.extra_dejson.items() if isinstance(value, str)},
        )
