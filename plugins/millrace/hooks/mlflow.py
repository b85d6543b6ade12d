"""MLflow, by an Airflow connection."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from include.exceptions import Misconfigured
from include.tracking.server import TrackingServer

if TYPE_CHECKING:
    from airflow.sdk import Connection


class MlflowHook(BaseHook):
    """MLflow by an Airflow connection: host (`http://localhost:5000`), and the login if MLflow requires one.

    The connection's extra may name `container_host`, MLflow's URL as containers reach it, and `ui_url`, its
    URL for browsers, where these differ from the host; and `artifacts`, the folder of its artifacts where
    that is on this machine.

    :param mlflow_conn_id: the Airflow connection.
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "http"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id

    @cached_property
    def _connection(self) -> Connection:
        return self.get_connection(self.mlflow_conn_id)

    def get_conn(self) -> TrackingServer:
        """Return MLflow's server, and log this process in there."""
        return self.connection.log_in()

    @cached_property
    def connection(self) -> TrackingServer:
        """The connection as a record; raises Misconfigured if it lacks a host, or half of the login."""
        found = self._connection
        if not found.host:
            raise Misconfigured(f"connection {self.mlflow_conn_id!r} lacks host: MLflow's URL")
        if bool(found.login) != bool(found.password):
            lacking = "password" if found.login else "login"
            raise Misconfigured(
                f"connection {self.mlflow_conn_id!r} lacks {lacking}: MLflow's login is both, or neither "
                "where MLflow asks for none"
            )
        base = found.host if "://" in found.host else f"{found.schema or 'http'}://{found.host}"
        return TrackingServer(
            uri=f"{base}:{found.port}" if found.port else base,
            username=found.login or "",
            password=found.password or "",
        )

    @property
    def container_connection(self) -> TrackingServer:
        """The connection as containers reach it."""
        host = self._connection.extra_dejson.get("container_host")
        return replace(self.connection, uri=str(host or self.connection.uri))

    @property
    def artifacts(self) -> Path | None:
        """The folder of this machine in which MLflow keeps artifacts; None if they are elsewhere."""
        folder = self._connection.extra_dejson.get("artifacts")
        return Path(str(folder)) if folder else None

    def page(self, link: str) -> str:
        """Return a link to MLflow as browsers can follow it."""
        shown = self._connection.extra_dejson.get("ui_url")
        return link.replace(self.connection.uri, str(shown).rstrip("/"), 1) if shown else link
