"""Inside a container: what has to be there before Airflow starts. Harmless if it is there already.

Airflow's schema and roles, its first user, the connections to the lake and to MLflow, MLflow's user for
Airflow and its jobs, the lake's first user and its repositories. What people changed since (a password, a
connection) stays as they left it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import urllib3

from include.contract import loader
from include.exceptions import MillraceError, Misconfigured, Unauthorized, Unavailable
from include.lake.client import Lake, LakeConnection
from include.platform.compose.settings import InitSettings
from include.settings import settings

ADMIN = "admin"
WORKER = "millrace"
"""MLflow's ordinary user for Airflow and its jobs: as `admin` each job could remove what others made."""
_EXECUTORS = {False: "LocalExecutor", True: "CeleryExecutor"}


def check(told: InitSettings) -> None:
    """Raise Misconfigured where the executor and the profile `celery` do not belong together."""
    if told.executor != (wanted := _EXECUTORS["celery" in told.profiles.split(",")]):
        raise Misconfigured(
            f"AIRFLOW_EXECUTOR={told.executor!r} does not go with COMPOSE_PROFILES={told.profiles!r}: set it "
            f"to {wanted!r}, or {'remove' if wanted == 'CeleryExecutor' else 'add'} the profile 'celery'"
        )


def connections(told: InitSettings) -> dict[str, dict[str, object]]:
    """The connections as `airflow connections import` reads them."""
    return {
        "lakefs_default": {
            "conn_type": "lakefs",
            "host": told.lake_endpoint,
            "login": told.lake_access_key_id,
            "password": told.lake_secret_access_key.get_secret_value(),
            "extra": {"ui_url": told.lake_url},
        },
        "mlflow_default": {
            "conn_type": "http",
            "host": told.mlflow_endpoint,
            "login": WORKER,
            "password": told.mlflow_password.get_secret_value(),
            "extra": {"ui_url": told.mlflow_url},
        },
    }


def airflow(*arguments: str, answers: str = "") -> None:
    """Run one of Airflow's commands; raises Unavailable with its name and status, its output is seen.

    `answers` are the lines of what it asks for.
    """
    ended = subprocess.run(["airflow", *arguments], input=answers, text=True, check=False)  # noqa: S607 - Airflow of the image
    if ended.returncode:
        raise Unavailable(f"'airflow {' '.join(arguments[:2])}' ended with {ended.returncode}; see above")


def add_user(told: InitSettings) -> None:
    """Make the first user, unless there is one of this name."""
    who = (
        "--username",
        ADMIN,
        "--firstname",
        "Millrace",
        "--lastname",
        "Admin",
        "--email",
        "admin@localhost",
    )
    password = told.airflow_admin_password.get_secret_value()
    # Not as an argument, which everybody on the server may read; it is asked for twice.
    airflow("users", "create", "--role", "Admin", *who, answers=f"{password}\n" * 2)


def add_connections(told: InitSettings) -> None:
    """Make the connections that are not there."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "connections.json"
        file.write_text(json.dumps(connections(told)))
        airflow("connections", "import", str(file))


def prepare_mlflow(told: InitSettings) -> None:
    """Make MLflow's user for Airflow and its jobs, unless there is one.

    Raises Unauthorized if MLflow takes neither that user's password nor `admin`'s.
    """
    password = told.mlflow_password.get_secret_value()
    by_worker = urllib3.make_headers(basic_auth=f"{WORKER}:{password}")
    by_admin = urllib3.make_headers(basic_auth=f"{ADMIN}:{told.mlflow_admin_password.get_secret_value()}")
    url = f"{told.mlflow_endpoint}/api/2.0/mlflow/users"
    try:
        # By `admin` too: somebody may have changed its password, and the connection's.
        for who in (by_worker, by_admin):
            if urllib3.request("GET", f"{url}/get?username={WORKER}", headers=who, timeout=30).status == 200:
                return
        asked = {"username": WORKER, "password": password}
        made = urllib3.request("POST", f"{url}/create", json=asked, headers=by_admin, timeout=30)
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"MLflow at {told.mlflow_endpoint!r} does not answer ({error})") from error
    if made.status == 401:
        raise Unauthorized(
            f"MLflow at {told.mlflow_endpoint!r} refused 'admin'; MLFLOW_ADMIN_PASSWORD of .env counted when "
            "MLflow was started first: write there what it is now"
        )
    if made.status == 400:
        raise Misconfigured(f"MLflow refused a user with MLFLOW_PASSWORD of .env: {made.data.decode()[:300]}")
    if made.status != 200:
        raise Unavailable(f"MLflow at {told.mlflow_endpoint!r} answered {made.status} to a new user")


def prepare_lake(told: InitSettings) -> None:
    """Make the lake's first user, and the repository of every pipeline, where they are not there."""
    lake = LakeConnection(
        endpoint=told.lake_endpoint,
        access_key_id=told.lake_access_key_id,
        secret_access_key=told.lake_secret_access_key.get_secret_value(),
    )
    Lake(lake, "any").create_first_user(ADMIN)
    for spec in loader.valid(settings().pipelines):
        name = spec.lake.repository
        Lake(lake, name).ensure_repository(told.lake_storage.removesuffix("/") + f"/{name}", spec.lake.branch)


def main() -> int:
    """All of it, in order."""
    told = InitSettings()
    check(told)
    airflow("db", "migrate")
    add_user(told)
    add_connections(told)
    prepare_mlflow(told)
    prepare_lake(told)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MillraceError as error:
        sys.exit(str(error))
