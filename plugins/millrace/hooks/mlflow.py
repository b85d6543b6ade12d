"""MLflow, by an Airflow connection."""

from __future__ import annotations

from functools import cached_property

from airflow.sdk import BaseHook

from include.exceptions import Misconfigured


class MlflowHook(BaseHook):
    """Where MLflow is: the connection's host (`http://localhost:5000`).

    Its extra may name `container_host`, the URL as containers see it where that is another.
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "http"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id

    @cached_property
    def tracking_uri(self) -> str:
        """The tracking server's URL; raises Misconfigured if the connection has no host."""
        found = self.get_connection(self.mlflow_conn_id)
        if not found.host:
            raise Misconfigured(f"connection {self.mlflow_conn_id!r} lacks host: MLflow's URL")
        base = found.host if "://" in found.host else f"{found.schema or 'http'}://{found.host}"
        return f"{base}:{found.port}" if found.port else base

    @property
    def container_uri(self) -> str:
        """The tracking server's URL as a job in a container sees it."""
        host = self.get_connection(self.mlflow_conn_id).extra_dejson.get("container_host")
        return str(host or self.tracking_uri)
