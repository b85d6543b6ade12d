"""The tracking server: its address, its login, its client."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class TrackingServer:
    """Where MLflow is and, where it asks for one, the login."""

    uri: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """What a process of its own is told: the variables that MLflow's clients read."""
        return {"MLFLOW_TRACKING_URI": self.uri, **self._login}

    def log_in(self) -> None:
        """Let this process's clients use the login: they take it from the environment and nowhere else."""
        os.environ.update(self._login)

    @property
    def _login(self) -> dict[str, str]:
        if not self.username:
            return {}
        return {"MLFLOW_TRACKING_USERNAME": self.username, "MLFLOW_TRACKING_PASSWORD": self.password}


def client(uri: str) -> Any:
    """A client of one tracking server; it opens nothing before its first call."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)
