"""The secrets of `docker-compose.yaml`: lines of `.env`, made once and never changed.

`.env` is where Compose looks by itself. Other lines of it, such as the settings of the embedded stack, stay.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import string
from collections.abc import Callable, Mapping
from pathlib import Path


def _key() -> str:
    return secrets.token_urlsafe(48)


def _password() -> str:
    return secrets.token_urlsafe(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _access_key_id() -> str:
    alphabet = string.ascii_uppercase + string.digits
    return "AKIAJ" + "".join(secrets.choice(alphabet) for _ in range(15))


VARIABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "COMPOSE_PROJECT_NAME": ("What containers, networks and volumes are called after.", lambda: "millrace"),
    "AIRFLOW_ADMIN_PASSWORD": ("Airflow's user `admin`; counts when the user is made.", _password),
    "AIRFLOW_FERNET_KEY": ("Encrypts Airflow's connections in the database.", _fernet_key),
    "AIRFLOW_JWT_SECRET": ("Signs the tokens of Airflow's API.", _key),
    "AIRFLOW_API_SECRET": ("Signs the sessions of Airflow's pages.", _key),
    "MLFLOW_ADMIN_PASSWORD": ("MLflow's user `admin`; counts when the user is made.", _password),
    "MLFLOW_PASSWORD": (
        "MLflow's user `millrace`, for Airflow and its jobs; counts when the user is made.",
        _password,
    ),
    "MLFLOW_SECRET_KEY": ("Signs the forms of MLflow's pages.", _key),
    "LAKE_ACCESS_KEY_ID": (
        "Who opens the lake; counts when airflow-init sets lakeFS up, at the first start.",
        _access_key_id,
    ),
    "LAKE_SECRET_ACCESS_KEY": ("Its secret.", _key),
    "LAKE_ENCRYPT_KEY": ("Encrypts the keys that lakeFS keeps.", _key),
    "POSTGRES_PASSWORD": ("The superuser of PostgreSQL; counts when the database is made.", _password),
    "AIRFLOW_DB_PASSWORD": ("Airflow's own user of PostgreSQL.", _password),
    "MLFLOW_DB_PASSWORD": ("MLflow's.", _password),
    "LAKE_DB_PASSWORD": ("lakeFS's.", _password),
    "REDIS_PASSWORD": ("The queue of the profile `celery`.", _password),
    "GRAFANA_ADMIN_PASSWORD": ("Grafana's user `admin`; counts when the user is made.", _password),
}
"""Each variable with what it is for and what makes it."""

KEPT = (
    "AIRFLOW_FERNET_KEY",
    "LAKE_ACCESS_KEY_ID",
    "LAKE_SECRET_ACCESS_KEY",
    "LAKE_ENCRYPT_KEY",
    "MLFLOW_PASSWORD",
)
"""Without these the data cannot be read again: a backup is worth nothing without their values."""

_LINE = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")


def read(file: Path) -> dict[str, str]:
    """The variables of a file, those with a value; none if there is no file."""
    if not file.exists():
        return {}
    found = (_LINE.match(line) for line in file.read_text().splitlines())
    return {line[1]: line[2].strip("'\"") for line in found if line and line[2].strip("'\"")}


def complete(file: Path) -> list[str]:
    """Add what is missing, for the file's owner only; the names that were added. Values that are there stay.

    The file is whole at any moment, also if this is killed.
    """
    there = read(file)
    missing = [name for name in VARIABLES if name not in there]
    if missing:
        before = file.read_text() if file.exists() else ""
        # A name without a value would be read as empty after ours.
        kept = [line for line in before.splitlines() if not _empty(line, missing)]
        made = [f"\n# {what}\n{name}={make()}" for name, (what, make) in _chosen(missing)]
        _write(file, "\n".join([*kept, *made]).lstrip("\n") + "\n")
    elif file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return missing


def _empty(line: str, names: list[str]) -> bool:
    found = _LINE.match(line)
    return bool(found and found[1] in names)


def _chosen(names: list[str]) -> list[tuple[str, tuple[str, Callable[[], str]]]]:
    return [(name, VARIABLES[name]) for name in names]


def _write(file: Path, content: str) -> None:
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as target:  # noqa: PTH123 - by its descriptor
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(file)
