"""The tracking server: its address, its login, its client."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TrackingServer:
    """MLflow's URL and, where it requires one, the login. Opens nothing before the first call."""

    uri: str
    username: str = ""
    password: str = field(default="", repr=False)

    @cached_property
    def client(self) -> Any:
        """The client (`mlflow.MlflowClient`) of this server and of the registry behind the same address."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that give a child process MLflow's URI and login."""
        return {"MLFLOW_TRACKING_URI": self.uri, **self._login}

    def log_in(self) -> TrackingServer:
        """Let the clients of this process use the login, and return the server.

        MLflow's clients read a login from the environment and nowhere else
        (https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/); drop once they take one.
        """
        os.environ.update(self._login)
        return self

    @property
    def _login(self) -> dict[str, str]:
        if not self.username:
            return {}
        return {"MLFLOW_TRACKING_USERNAME": self.username, "MLFLOW_TRACKING_PASSWORD": self.password}
