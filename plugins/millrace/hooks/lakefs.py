"""The lake, by an Airflow connection."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from airflow.sdk import BaseHook

from include.exceptions import MillraceError, Misconfigured
from include.lake.client import Lake, LakeConnection


class LakeFSHook(BaseHook):
    """Opens repositories of the lake that a connection names.

    The connection's fields: host (`http://localhost:8000`), login (access key id), password (secret
    access key), and in its extra `verify_tls` (default true) and `container_host`, the lake's URL as
    containers see it where that is another.
    """

    conn_name_attr = "lakefs_conn_id"
    default_conn_name = "lakefs_default"
    conn_type = "lakefs"
    hook_name = "lakeFS"

    def __init__(self, lakefs_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lakefs_conn_id = lakefs_conn_id

    @cached_property
    def connection(self) -> LakeConnection:
        """The connection as a record; raises Misconfigured with every missing field at once."""
        found = self.get_connection(self.lakefs_conn_id)
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
            verify_tls=bool(found.extra_dejson.get("verify_tls", True)),
        )

    @property
    def container_connection(self) -> LakeConnection:
        """The connection as a job in a container has it."""
        host = self.get_connection(self.lakefs_conn_id).extra_dejson.get("container_host")
        return replace(self.connection, endpoint=host or self.connection.endpoint)

    def lake(self, repository: str) -> Lake:
        """One repository; nothing is opened before its first call."""
        return Lake(self.connection, repository)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the lake answers and accepts the keys, and what to say about it."""
        try:
            return True, f"lakeFS {self.lake('-').ping()} at {self.connection.endpoint}"
        except MillraceError as error:
            return False, str(error)


def _url(host: str, scheme: str | None, port: int | None) -> str:
    base = host if "://" in host else f"{scheme or 'http'}://{host}"
    return f"{base}:{port}" if port else base
