"""Secrets of the embedded stack: generated at the first start, readable by their owner only."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from include.exceptions import Misconfigured
from include.platform.access_keys import new_access_key_id


@dataclass(frozen=True)
class Secrets:
    """Passwords and keys of the stack's services. Safe to log: its repr shows no value."""

    fernet_key: str
    jwt_secret: str
    api_secret: str
    airflow_password: str
    lake_access_key_id: str
    lake_secret_access_key: str
    lake_reader_access_key_id: str
    lake_reader_secret_access_key: str
    lake_encryption_key: str
    mlflow_password: str
    """Of `WORKER`."""
    mlflow_secret_key: str
    privacy_secret: str
    """Of the hashes of personal columns: with another one, new rows no longer match those that are there."""
    deployment: str
    """Identifies this stack among others. Not a secret, but generated once like the rest."""

    def __repr__(self) -> str:
        return "Secrets(…)"


USER = "admin"
"""The only user of the embedded Airflow, and MLflow's administrator, with the same password."""
WORKER = "millrace"
"""MLflow's user for Airflow and its jobs, who may not manage users."""


def password_file(var: Path) -> Path:
    """Return the JSON file that maps Airflow's user to its password."""
    return var / "secrets" / "airflow.json"


def password(var: Path) -> str:
    """Return the password of `USER`, which people may have changed in its file; raises Misconfigured."""
    file = password_file(var)
    try:
        return str(json.loads(file.read_text())[USER])
    except (ValueError, TypeError, KeyError) as error:
        raise Misconfigured(
            f"{file} holds no password of {USER!r} ({type(error).__name__}); delete it, and the first one is "
            "written again"
        ) from error


def ensure(var: Path) -> Secrets:
    """Return the secrets below `var/secrets`, generating those that are missing.

    Raises Misconfigured if the file cannot be read.
    """
    folder = var / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / "stack.json"
    if not file.exists():
        _write(file, json.dumps(asdict(_generate())))
    stored = _read(file)
    if asdict(stored) != json.loads(file.read_text()):
        _write(file, json.dumps(asdict(stored)))
    if not password_file(var).exists():
        _write(password_file(var), json.dumps({USER: stored.airflow_password}))
    return stored


def _generate() -> Secrets:
    from cryptography.fernet import Fernet

    return Secrets(
        fernet_key=Fernet.generate_key().decode(),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        airflow_password=secrets.token_urlsafe(18),
        lake_access_key_id=new_access_key_id(),
        lake_secret_access_key=secrets.token_urlsafe(30),
        **_generate_added(),
    )


def _generate_added() -> dict[str, str]:
    """Return values for the fields that earlier versions of the file do not have."""
    return {
        "lake_reader_access_key_id": new_access_key_id(),
        "lake_reader_secret_access_key": secrets.token_urlsafe(30),
        "lake_encryption_key": secrets.token_urlsafe(32),
        "mlflow_password": secrets.token_urlsafe(30),
        "mlflow_secret_key": secrets.token_urlsafe(32),
        "privacy_secret": secrets.token_urlsafe(48),
        "deployment": secrets.token_hex(16),
    }


def _read(file: Path) -> Secrets:
    try:
        return Secrets(**{**_generate_added(), **json.loads(file.read_text())})
    except (ValueError, TypeError) as error:
        raise Misconfigured(
            f"{file} cannot be read ({type(error).__name__}); restore it, or delete it together with "
            "the rest of its stack's folder to start anew"
        ) from error


def _write(file: Path, content: str) -> None:
    """Replace a file atomically by one that only its owner may read."""
    temporary = file.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(content)
    temporary.replace(file)
