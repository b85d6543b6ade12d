"""Environment variables of the embedded stack's parts, each with its reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from include.platform import airflow_config
from include.platform.embedded import mlflow_login, postgres
from include.platform.embedded.gateway import Gateway
from include.platform.embedded.lake_process import STORAGE, variables
from include.platform.embedded.stack_secrets import USER, WORKER, Secrets, password_file
from include.settings import ROOT, Settings, inherited_environment

HOST = "127.0.0.1"
_NO_PROXY = ("NO_PROXY", "no_proxy")


def urls(settings: Settings) -> dict[str, str]:
    """Return the addresses of the stack's web services, by part."""
    return {
        "airflow": f"http://{HOST}:{settings.airflow.port}",
        "mlflow": f"http://{HOST}:{settings.mlflow.port}",
        "lake": f"http://{HOST}:{settings.lakefs.port}",
    }


def deployment(settings: Settings, secrets: Secrets) -> str:
    """Return the name that identifies this stack on a shared engine or cluster.

    It is the one in the settings, else the one that was generated with the secrets.
    """
    return settings.deployment or secrets.deployment


def privacy_secret(settings: Settings, secrets: Secrets) -> SecretStr:
    """Return the secret of hashes: the one in the settings, else the one that was generated."""
    return settings.privacy.secret or SecretStr(secrets.privacy_secret)


def environment(
    settings: Settings, secrets: Secrets, database: str, gateway: Gateway | None = None
) -> dict[str, str]:
    """Return the environment variables for every part of the stack.

    `database` is the folder of PostgreSQL's socket; `gateway` is the one of the jobs' network, if there is
    one.
    """
    inherited = inherited_environment()
    own = {name: value for name, value in inherited.items() if not name.startswith("AIRFLOW__")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode every cold import costs twice
    return {
        **own,
        **_python(settings, inherited),
        "MILLRACE_DEPLOYMENT": deployment(settings, secrets),
        "MILLRACE_PRIVACY_SECRET": privacy_secret(settings, secrets).get_secret_value(),
        **_services(settings, secrets, gateway),
        **_airflow(settings, secrets, database, airflow_config.sections(settings.runtime)),
        # With more threads than cores, computing on the few rows of a day costs less than waiting for a core.
        "OMP_NUM_THREADS": str(settings.jobs.threads),
        "OPENBLAS_NUM_THREADS": str(settings.jobs.threads),
        **_quiet(inherited),
        "MILLRACE_MLFLOW_BACKEND": postgres.url("mlflow", database),
        "MILLRACE_MLFLOW_ARTIFACTS": str(_artifacts(settings)),
        **mlflow_login.variables(settings, secrets),
    }


def _python(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    return {
        "PATH": f"{bin_folder}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        # Airflow adds its plugins itself, but later than workers are forked.
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "plugins"))),
        "PYTHONUNBUFFERED": "1",
        **settings.variables(),
        "MILLRACE_CODE_VERSION": settings.code_version or _git_commit(),
    }


def _services(settings: Settings, secrets: Secrets, gateway: Gateway | None) -> dict[str, str]:
    addresses = urls(settings)
    lake = {
        "conn_type": "lakefs",
        "host": addresses["lake"],
        "login": secrets.lake_access_key_id,
        "password": secrets.lake_secret_access_key,
        # The embedded lake has no pages to link to.
        "extra": {"ui_url": "none", "storage": STORAGE, **_container_host(gateway, settings.lakefs.port)},
    }
    mlflow = {
        "conn_type": "http",
        "host": addresses["mlflow"],
        "login": WORKER,
        "password": secrets.mlflow_password,
        "extra": {"artifacts": str(_artifacts(settings)), **_container_host(gateway, settings.mlflow.port)},
    }
    hosts = [HOST, "localhost", *([gateway.address] if gateway else [])]
    return {
        "MILLRACE_CONTAINER_GATEWAY": str(gateway or ""),
        "MILLRACE_MLFLOW_HOSTS": ",".join(f"{host}:{settings.mlflow.port}" for host in hosts),
        **variables(settings, secrets, f"{HOST}:{settings.lakefs.port}"),
        "AIRFLOW_CONN_LAKEFS_DEFAULT": json.dumps(lake),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(mlflow),
        "MLFLOW_TRACKING_URI": addresses["mlflow"],
    }


def _artifacts(settings: Settings) -> Path:
    """Return the folder in which MLflow keeps artifacts."""
    return settings.var / "mlflow"


def _container_host(gateway: Gateway | None, port: int) -> dict[str, Any]:
    """Return the extra field of a connection that holds the service's address for containers."""
    return {"container_host": f"http://{gateway.address}:{port}"} if gateway else {}


def _airflow(
    settings: Settings, secrets: Secrets, database: str, common: airflow_config.Sections
) -> dict[str, str]:
    url = urls(settings)["airflow"]
    own: airflow_config.Sections = {
        "core": {
            "dags_folder": ROOT / "dags",
            "plugins_folder": ROOT / "plugins",
            "test_connection": "Enabled",  # one user, this machine only
            "executor": "LocalExecutor",
            "parallelism": settings.airflow.parallelism,
            "fernet_key": secrets.fernet_key,
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": password_file(settings.var),
            # Given in full: with a port other than 8080 tasks would call localhost:8080.
            "execution_api_server_url": f"{url}/execution/",
        },
        # Fallbacks only: plugins/millrace/components/dag_processor.py parses files when they change.
        "dag_processor": {"min_file_process_interval": 300, "refresh_interval": 60},
        "database": {"sql_alchemy_conn": postgres.url("airflow", database)},
        "api": {
            "host": HOST,
            "port": settings.airflow.port,
            "base_url": url,
            "workers": 1,
            "secret_key": secrets.api_secret,
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        "logging": {"base_log_folder": settings.var / "log" / "tasks"},
    }
    return {
        "AIRFLOW_HOME": str(settings.var / "airflow"),
        **airflow_config.variables(common),
        **airflow_config.variables(own),
    }


def _quiet(inherited: Mapping[str, str]) -> dict[str, str]:
    return {
        **airflow_config.QUIET,
        # Without these, clients would ask a company's proxy for this machine's own addresses.
        **{name: ",".join(filter(None, (inherited.get(name), HOST, "localhost"))) for name in _NO_PROXY},
    }


def _git_commit() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    process = subprocess.run(
        [git, "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return process.stdout.strip()
