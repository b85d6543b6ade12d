"""Prepare the platform before Airflow starts; runs inside a container, at every start.

Creates what is missing: Airflow's schema and roles, its first user, the connections to the lake and to
MLflow, MLflow's user for Airflow and its jobs, the lake's first user and its repositories. Passwords and
connections that people have changed since are not overwritten.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import urllib3

from include.exceptions import Misconfigured, Unauthorized, Unavailable
from include.lake.client import Lake, LakeConnection
from include.platform import cli
from include.platform.compose.settings import InitSettings
from include.platform.repositories import make_repositories
from include.settings import settings

ADMIN = "admin"
WORKER = "millrace"
"""MLflow's user for Airflow and its jobs; not an administrator, who could remove what other users created."""
_EXECUTORS = {False: "LocalExecutor", True: "CeleryExecutor"}


def check(options: InitSettings) -> None:
    """Raise Misconfigured if the executor does not match the profile `celery`."""
    if options.executor != (expected := _EXECUTORS["celery" in options.profiles.split(",")]):
        raise Misconfigured(
            f"AIRFLOW_EXECUTOR={options.executor!r} does not match COMPOSE_PROFILES={options.profiles!r}: "
            f"set it to {expected!r}, or {'remove' if expected == 'CeleryExecutor' else 'add'} the profile "
            "'celery'"
        )


def connections(options: InitSettings) -> dict[str, dict[str, object]]:
    """Return the connections in the format of `airflow connections import`."""
    return {
        "lakefs_default": {
            "conn_type": "lakefs",
            "host": options.lake_endpoint,
            "login": options.lake_access_key_id,
            "password": options.lake_secret_access_key.get_secret_value(),
            "extra": {"ui_url": options.lake_url, "storage": options.lake_storage},
        },
        "mlflow_default": {
            "conn_type": "http",
            "host": options.mlflow_endpoint,
            "login": WORKER,
            "password": options.mlflow_password.get_secret_value(),
            "extra": {"ui_url": options.mlflow_url},
        },
    }


def airflow(*arguments: str, answers: str = "") -> None:
    """Run an Airflow command with visible output; raise Unavailable if it fails.

    `answers` are the lines for its prompts.
    """
    command = ["airflow", *arguments]  # Airflow of the image
    process = subprocess.run(command, input=answers, text=True, check=False)
    if process.returncode:
        raise Unavailable(f"'airflow {' '.join(arguments[:2])}' ended with {process.returncode}; see above")


def add_user(options: InitSettings) -> None:
    """Create Airflow's first user, unless it exists."""
    fields = (
        "--username",
        ADMIN,
        "--firstname",
        "Millrace",
        "--lastname",
        "Admin",
        "--email",
        "admin@localhost",
    )
    password = options.airflow_admin_password.get_secret_value()
    # Not as an argument, which every user of the server could read. Airflow prompts for it twice.
    airflow("users", "create", "--role", "Admin", *fields, answers=f"{password}\n" * 2)


def add_connections(options: InitSettings) -> None:
    """Create the connections that do not exist."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "connections.json"
        file.write_text(json.dumps(connections(options)))
        airflow("connections", "import", str(file))


def prepare_mlflow(options: InitSettings) -> None:
    """Create MLflow's user for Airflow and its jobs, unless it exists.

    Raises Unauthorized if MLflow accepts neither that user's password nor the administrator's.
    """
    password = options.mlflow_password.get_secret_value()
    admin_password = options.mlflow_admin_password.get_secret_value()
    as_worker = urllib3.make_headers(basic_auth=f"{WORKER}:{password}")
    as_admin = urllib3.make_headers(basic_auth=f"{ADMIN}:{admin_password}")
    url = f"{options.mlflow_endpoint}/api/2.0/mlflow/users"
    try:
        # As the administrator as well: somebody may have changed the user's password, and the connection's.
        for login in (as_worker, as_admin):
            answer = urllib3.request("GET", f"{url}/get?username={WORKER}", headers=login, timeout=30)
            if answer.status == 200:
                return
        user = {"username": WORKER, "password": password}
        answer = urllib3.request("POST", f"{url}/create", json=user, headers=as_admin, timeout=30)
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"MLflow at {options.mlflow_endpoint!r} does not answer ({error})") from error
    if answer.status == 401:
        raise Unauthorized(
            f"MLflow at {options.mlflow_endpoint!r} refused 'admin'; MLFLOW_ADMIN_PASSWORD in .env was used "
            "at MLflow's first start only: if the password was changed since, write the current one there"
        )
    if answer.status == 400:
        reason = answer.data.decode()[:300]
        raise Misconfigured(f"MLflow refused a user with MLFLOW_PASSWORD of .env: {reason}")
    if answer.status != 200:
        raise Unavailable(
            f"MLflow at {options.mlflow_endpoint!r} answered {answer.status} to the creation of a user"
        )


def prepare_lake(options: InitSettings) -> None:
    """Create the lake's first user, and the repository of every pipeline, where missing."""
    lake = LakeConnection(
        endpoint=options.lake_endpoint,
        access_key_id=options.lake_access_key_id,
        secret_access_key=options.lake_secret_access_key.get_secret_value(),
    )
    Lake(lake, "any").create_first_user(ADMIN)
    make_repositories(lake, settings().pipelines, options.lake_storage)


def main() -> None:
    """Run all steps in order."""
    options = InitSettings()
    check(options)
    airflow("db", "migrate")
    add_user(options)
    add_connections(options)
    prepare_mlflow(options)
    prepare_lake(options)


if __name__ == "__main__":
    cli.run(main)
