"""The environment of this process: the one module that reads `os.environ`.

It needs Python's standard library only, because the operator's CLI (`include.platform.compose`) runs on
servers where nothing else is installed. Everything else asks `include.settings`; a test enforces both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from include.exceptions import Misconfigured

RENAMED: Mapping[str, str] = {
    "RUNTIME": "MILLRACE_RUNTIME",
    "DEPLOYMENT": "MILLRACE_DEPLOYMENT",
    "CODE_VERSION": "MILLRACE_CODE_VERSION",
    "AIRFLOW_PORT": "MILLRACE_AIRFLOW_PORT",
    "PARALLELISM": "MILLRACE_AIRFLOW_PARALLELISM",
    "RETRY_SECONDS": "MILLRACE_AIRFLOW_RETRY_SECONDS",
    "MILLRACE_EXAMPLES": "MILLRACE_AIRFLOW_EXAMPLES",
    "MLFLOW_PORT": "MILLRACE_MLFLOW_PORT",
    "LAKEFS_PORT": "MILLRACE_LAKEFS_PORT",
    "LAKEFS_BINARY": "MILLRACE_LAKEFS_BINARY",
    "JOB_IMAGE": "MILLRACE_JOB_IMAGE",
    "IMAGE_PULL": "MILLRACE_JOB_IMAGE_PULL",
    "REGISTRY_CONN_ID": "MILLRACE_JOB_REGISTRY_CONN_ID",
    "JOB_NETWORK": "MILLRACE_JOB_NETWORK",
    "JOB_THREADS": "MILLRACE_JOB_THREADS",
    "JOB_NAMESPACE": "MILLRACE_KUBERNETES_NAMESPACE",
    "JOB_SERVICE_ACCOUNT": "MILLRACE_KUBERNETES_SERVICE_ACCOUNT",
    "JOB_SECRET": "MILLRACE_KUBERNETES_SECRET",
    "JOB_PULL_SECRET": "MILLRACE_KUBERNETES_PULL_SECRET",
    "JOB_START_SECONDS": "MILLRACE_KUBERNETES_START_SECONDS",
    "KUBERNETES_CONN_ID": "MILLRACE_KUBERNETES_CONN_ID",
    "JOB_GATEWAY": "MILLRACE_KUBERNETES_GATEWAY",
    "KEPT_DAYS": "MILLRACE_KEPT_DAYS",
}
"""Names that variables had before 0.1.0, each with its name of today. Drop in 0.2.0."""

# Kubernetes sets `<SERVICE>_PORT` to such an address for each service of a namespace:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = "tcp://"


def inherited() -> dict[str, str]:
    """Return a copy of this process's environment, for a child process to start from."""
    return dict(os.environ)


def refuse_old_names(dotenv: Mapping[str, str | None]) -> None:
    """Refuse variables under a name that they no longer have; `dotenv` is the content of `.env`.

    An empty variable counts as not set. Raises Misconfigured naming every old name, where it is set and the
    new name; never a value.
    """
    places = {"the environment": inherited(), ".env": dotenv}
    lines = [
        f"{old} of {place} is called {new} now"
        for old, new in RENAMED.items()
        for place, variables in places.items()
        if (value := variables.get(old)) and not value.startswith(_SERVICE_LINK)
    ]
    if lines:
        raise Misconfigured("\n".join([*lines, "rename it there, and keep its value"]))
