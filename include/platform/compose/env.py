"""The secrets of `docker-compose.yaml`: lines of `.env`, generated once and never changed.

Compose reads `.env` by itself. Other lines of it, such as the settings of the embedded stack, are preserved.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from include.platform.access_keys import new_access_key_id


def _key() -> str:
    return secrets.token_urlsafe(48)


def _password() -> str:
    return secrets.token_urlsafe(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


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
        new_access_key_id,
    ),
    "LAKE_SECRET_ACCESS_KEY": ("Its secret.", _key),
    "LAKE_ENCRYPT_KEY": ("Encrypts the keys that lakeFS keeps.", _key),
    "PRIVACY_SECRET": (
        "Key of the hashes of personal columns (privacy.hash); with another one, rows no longer match.",
        _key,
    ),
    "POSTGRES_PASSWORD": ("The superuser of PostgreSQL; counts when the database is made.", _password),
    "AIRFLOW_DB_PASSWORD": ("Airflow's own user of PostgreSQL.", _password),
    "MLFLOW_DB_PASSWORD": ("MLflow's.", _password),
    "LAKE_DB_PASSWORD": ("lakeFS's.", _password),
    "REDIS_PASSWORD": ("The queue of the profile `celery`.", _password),
    "GRAFANA_ADMIN_PASSWORD": ("Grafana's user `admin`; counts when the user is made.", _password),
}
"""The variables, each with a comment for `.env` and the function that generates its value."""

DATA_KEYS = (
    "AIRFLOW_FERNET_KEY",
    "LAKE_ACCESS_KEY_ID",
    "LAKE_SECRET_ACCESS_KEY",
    "LAKE_ENCRYPT_KEY",
    "MLFLOW_PASSWORD",
    "PRIVACY_SECRET",
)
"""Secrets without whose values the data, and any backup of it, cannot be read, or not be added to."""

_LINE = re.compile(r"^(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")


def read(file: Path) -> dict[str, str]:
    """Return the variables of a file that have a value; none if the file does not exist."""
    if not file.exists():
        return {}
    matches = (_LINE.match(line) for line in file.read_text().splitlines())
    return {match[1]: match[2].strip("'\"") for match in matches if match and match[2].strip("'\"")}


def complete(file: Path) -> list[str]:
    """Add the variables that a file lacks, and return their names; existing values stay as they are.

    Only its owner may read the file. It is replaced atomically.
    """
    existing = read(file)
    missing = [name for name in VARIABLES if name not in existing]
    if missing:
        before = file.read_text() if file.exists() else ""
        # Lines without a value are dropped: of two lines for a variable, Compose may read the empty one.
        lines = [line for line in before.splitlines() if not _is_empty(line, missing)]
        for name in missing:
            comment, generate = VARIABLES[name]
            lines.append(f"\n# {comment}\n{name}={generate()}")
        _write(file, "\n".join(lines).lstrip("\n") + "\n")
    elif file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return missing


def _is_empty(line: str, missing: list[str]) -> bool:
    match = _LINE.match(line)
    return bool(match and match[1] in missing)


def _write(file: Path, content: str) -> None:
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as target:  # noqa: PTH123 - by its descriptor
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(file)
