"""Clients of the lake from Airflow connections."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow.sdk import BaseHook

from include.exceptions import MillraceError, Misconfigured
from include.lake.client import Lake, LakeConnection

if TYPE_CHECKING:
    from airflow.sdk import Connection


class LakeFSHook(BaseHook):
    """A connection to a lake.

    Fields of the connection: host (`http://localhost:8000`), login (access key id), password (secret access
    key), and in the extra:

    - `repository`: the default repository
    - `verify_tls`: whether to verify the certificate; default true
    - `ui_url`: lakeFS's URL for browsers; default the host; `none` if there is no UI
    - `container_host`: the lake's URL inside job containers; default the host
    - `storage`: the storage namespace below which the repository of a new pipeline is created when its first
      run needs it; default none: it is not created
    """

    conn_name_attr = "lakefs_conn_id"
    default_conn_name = "lakefs_default"
    conn_type = "lakefs"
    hook_name = "lakeFS"

    def __init__(self, lakefs_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lakefs_conn_id = lakefs_conn_id

    @cached_property
    def _airflow_connection(self) -> Connection:
        return self.get_connection(self.lakefs_conn_id)

    @cached_property
    def connection(self) -> LakeConnection:
        """The connection as a record; raises Misconfigured with all missing fields."""
        source = self._airflow_connection
        fields = {"host": source.host or "", "login": source.login or "", "password": source.password or ""}
        if missing := [name for name, value in fields.items() if not value]:
            raise Misconfigured(
                f"connection {self.lakefs_conn_id!r} lacks {', '.join(missing)}: host is the lake's URL, "
                "login the access key id, password the secret access key"
            )
        return LakeConnection(
            endpoint=_url(fields["host"], source.schema, source.port),
            access_key_id=fields["login"],
            secret_access_key=fields["password"],
            verify_tls=self._extra("verify_tls", bool, True),
        )

    @property
    def container_connection(self) -> LakeConnection:
        """The connection for jobs in containers."""
        endpoint = self._extra("container_host", str, "")
        return replace(self.connection, endpoint=str(endpoint) or self.connection.endpoint)

    def lake(self, repository: str | None = None) -> Lake:
        """Return a client of a repository, by default the connection's own; its first call connects."""
        return Lake(self.connection, repository or self.repository)

    async def alake(self, repository: str | None = None) -> Lake:
        """Return the same client without blocking the event loop, for triggers.

        The calls of a `Lake` block: run them in a thread, for example with `asyncio.to_thread`.
        """
        self.__dict__["_airflow_connection"] = await self.aget_connection(self.lakefs_conn_id)
        return await asyncio.to_thread(self.lake, repository)

    @property
    def repository(self) -> str:
        """The connection's default repository; raises Misconfigured if it has none."""
        if name := self._extra("repository", str, ""):
            return str(name)
        raise Misconfigured(
            f"no repository is set, and connection {self.lakefs_conn_id!r} has no default repository: "
            "pass `repository`, or set it in the connection's extra"
        )

    @property
    def storage(self) -> str:
        """The storage namespace for repositories of new pipelines; empty if none are to be created."""
        return str(self._extra("storage", str, ""))

    def page(self, repository: str | None, view: str, **query: str) -> str:
        """Return the URL of a repository's page in lakeFS's UI; empty if there is no UI."""
        base = str(self._extra("ui_url", str, "") or self.connection.endpoint).rstrip("/")
        if base == "none":
            return ""
        page = f"{base}/repositories/{quote(repository or self.repository, safe='')}/{view}"
        return f"{page}?{urlencode(query)}".rstrip("?")

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the lake answers and accepts the keys, and a message for the connection form."""
        try:
            return True, f"lakeFS {Lake(self.connection, '-').ping()} at {self.connection.endpoint}"
        except MillraceError as error:
            return False, str(error)

    def _extra(self, name: str, kind: type, default: Any) -> Any:
        """Return a field of the extra; the connection form stores null for an empty field."""
        value = self._airflow_connection.extra_dejson.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise Misconfigured(
                f"connection {self.lakefs_conn_id!r}: {name} is {value!r} in its extra; "
                f"set a JSON {'true or false' if kind is bool else 'string'}"
            )
        return value


def _url(host: str, scheme: str | None, port: int | None) -> str:
    base = host if "://" in host else f"{scheme or 'http'}://{host}"
    return f"{base}:{port}" if port else base
