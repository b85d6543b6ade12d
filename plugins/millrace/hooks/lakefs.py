"""The lake, by an Airflow connection."""

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
    """Opens repositories of the lake that a connection names.

    The connection's fields: host (`http://localhost:8000`), login (access key id), password (secret
    access key), and in its extra `verify_tls` (default true), `repository` (the one that is meant where
    none is named), `ui_url` (where browsers find lakeFS; default the host; `none`: there is no UI) and
    `container_host` (the lake's URL as containers see it, where that is another).
    """

    conn_name_attr = "lakefs_conn_id"
    default_conn_name = "lakefs_default"
    conn_type = "lakefs"
    hook_name = "lakeFS"

    def __init__(self, lakefs_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lakefs_conn_id = lakefs_conn_id

    @cached_property
    def _found(self) -> Connection:
        return self.get_connection(self.lakefs_conn_id)

    @cached_property
    def connection(self) -> LakeConnection:
        """The connection as a record; raises Misconfigured with every missing field at once."""
        found = self._found
        fields = {"host": found.host or "", "login": found.login or "", "password": found.password or ""}
        if missing := [name for name, value in fields.items() if not value]:
            raise Misconfigured(
                f"connection {self.lakefs_conn_id!r} lacks {', '.join(missing)}: host is the lake's URL, "
                "login the access key id, password the secret access key"
            )
        return LakeConnection(
            endpoint=_url(fields["host"], found.schema, found.port),
            access_key_id=fields["login"],
            secret_access_key=fields["password"],
            verify_tls=self._extra("verify_tls", bool, True),
        )

    @property
    def container_connection(self) -> LakeConnection:
        """The connection as a job in a container has it."""
        host = self._extra("container_host", str, "")
        return replace(self.connection, endpoint=str(host) or self.connection.endpoint)

    def lake(self, repository: str | None = None) -> Lake:
        """One repository, the connection's own unless named; nothing is opened before its first call."""
        return Lake(self.connection, repository or self.repository)

    async def alake(self, repository: str | None = None) -> Lake:
        """The same for a trigger: the connection is looked up without holding up the event loop.

        The calls of a `Lake` block: run them by `asyncio.to_thread`.
        """
        self.__dict__["_found"] = await self.aget_connection(self.lakefs_conn_id)
        return await asyncio.to_thread(self.lake, repository)

    @property
    def repository(self) -> str:
        """The connection's default repository; raises Misconfigured if it names none."""
        if name := self._extra("repository", str, ""):
            return str(name)
        raise Misconfigured(
            f"no repository is named, and connection {self.lakefs_conn_id!r} has no default one: "
            "give `repository`, or set it in the connection"
        )

    def page(self, repository: str | None, view: str, **query: str) -> str:
        """The address of a page of a repository in lakeFS's UI; empty where there is no UI."""
        base = str(self._extra("ui_url", str, "") or self.connection.endpoint).rstrip("/")
        if base == "none":
            return ""
        where = f"{base}/repositories/{quote(repository or self.repository, safe='')}/{view}"
        return f"{where}?{urlencode(query)}".rstrip("?")

    def test_connection(self) -> tuple[bool, str]:
        """Whether the lake answers and accepts the keys, and what to say about it."""
        try:
            return True, f"lakeFS {Lake(self.connection, '-').ping()} at {self.connection.endpoint}"
        except MillraceError as error:
            return False, str(error)

    def _extra(self, name: str, kind: type, default: Any) -> Any:
        """A field of the extra; the connection form leaves null where nothing was chosen."""
        value = self._found.extra_dejson.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise Misconfigured(
                f"connection {self.lakefs_conn_id!r}: {name} is {value!r} in its extra; "
                f"write a JSON {'true or false' if kind is bool else 'string'}"
            )
        return value


def _url(host: str, scheme: str | None, port: int | None) -> str:
    base = host if "://" in host else f"{scheme or 'http'}://{host}"
    return f"{base}:{port}" if port else base
