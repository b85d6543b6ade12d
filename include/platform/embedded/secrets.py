"""Secrets of the embedded stack: made once, at the first start, and readable by their owner only."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import asdict, dataclass
from pathlib import Path

from include.exceptions import Misconfigured


@dataclass(frozen=True)
class Secrets:
    """What the parts of the stack prove themselves with. Never logged: its repr holds no value."""

    fernet_key: str
    jwt_secret: str
    api_secret: str
    airflow_password: str
    lake_access_key_id: str
    lake_secret_access_key: str
    lake_reader_access_key_id: str
    lake_reader_secret_access_key: str
    lake_encryption_key: str
    deployment: str
    """No secret, but made once as they are: what tells this stack from all others."""

    def __repr__(self) -> str:
        return "Secrets(…)"


USER = "admin"
"""The one user of the embedded Airflow."""


def password_file(var: Path) -> Path:
    """Where Airflow's user and password are kept, as JSON."""
    return var / "secrets" / "airflow.json"


def ensure(var: Path) -> Secrets:
    """The secrets below `var/secrets`, made now if there are none; raises Misconfigured if they are torn."""
    folder = var / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / "stack.json"
    if not file.exists():
        _write(file, json.dumps(asdict(_generate())))
    found = _read(file)
    if asdict(found) != json.loads(file.read_text()):
        _write(file, json.dumps(asdict(found)))
    if not password_file(var).exists():
        _write(password_file(var), json.dumps({USER: found.airflow_password}))
    return found


def _generate() -> Secrets:
    from cryptography.fernet import Fernet

    return Secrets(
        fernet_key=Fernet.generate_key().decode(),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        airflow_password=secrets.token_urlsafe(18),
        lake_access_key_id=_access_key_id(),
        lake_secret_access_key=secrets.token_urlsafe(30),
        **_added(),
    )


def _added() -> dict[str, str]:
    """What stacks that were made by an earlier version do not have yet."""
    return {
        "lake_reader_access_key_id": _access_key_id(),
        "lake_reader_secret_access_key": secrets.token_urlsafe(30),
        "lake_encryption_key": secrets.token_urlsafe(32),
        "deployment": secrets.token_hex(16),
    }


def _access_key_id() -> str:
    alphabet = string.ascii_uppercase + string.digits
    return "AKIAJ" + "".join(secrets.choice(alphabet) for _ in range(15))


def _read(file: Path) -> Secrets:
    try:
        return Secrets(**{**_added(), **json.loads(file.read_text())})
    except (ValueError, TypeError) as error:
        raise Misconfigured(
            f"{file} cannot be read ({type(error).__name__}); restore it, or delete it together with "
            "the rest of its stack's folder to start anew"
        ) from error


def _write(file: Path, content: str) -> None:
    """Write a new file for its owner only, whole or not at all."""
    temporary = file.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(content)
    temporary.replace(file)
