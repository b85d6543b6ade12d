"""The login of the embedded MLflow: its own basic auth, whose users exist before the server starts.

Made through the server, as MLflow documents it, they would be missing when the first task asks for something.
People log in as `stack_secrets.USER`. Airflow and its jobs do so as `stack_secrets.WORKER`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from include.exceptions import Misconfigured
from include.platform import cli
from include.platform.embedded import postgres, stack_secrets
from include.platform.embedded.postgres import MLFLOW_USERS
from include.platform.embedded.stack_secrets import USER, WORKER, Secrets
from include.settings import Settings
from include.settings import settings as current_settings

# MANAGE: pipelines go on with what was made by a person, or before there was a login. Without the cache each
# request would hash a password, which takes tens of milliseconds.
_CONFIG = """\
[mlflow]
admin_username = {user}
default_permission = MANAGE
database_uri = {url}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 3600
"""


def variables(settings: Settings, secrets: Secrets) -> dict[str, str]:
    """Return the environment variables of MLflow's server."""
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(_config_file(settings.var)),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.mlflow_secret_key,
    }


def login(secrets: Secrets) -> dict[str, str]:
    """Return the environment variables that log a job in."""
    return {"MLFLOW_TRACKING_USERNAME": WORKER, "MLFLOW_TRACKING_PASSWORD": secrets.mlflow_password}


def write_config(var: Path, socket: str) -> None:
    """Write the file in which MLflow looks for its users' database."""
    url = postgres.url(MLFLOW_USERS, socket).replace("%", "%%")  # which configparser would expand
    _config_file(var).write_text(_CONFIG.format(url=url, user=USER))


def remove_config(var: Path) -> None:
    """Remove that file, if it is there."""
    _config_file(var).unlink(missing_ok=True)


def state(var: Path, secrets: Secrets) -> str:
    """Return a text that changes when `make_users` has something to do: with MLflow, and with a password."""
    from importlib.metadata import version

    passwords = f"{stack_secrets.password(var)} {secrets.mlflow_password}"
    return f"{version('mlflow')} {hashlib.sha256(passwords.encode()).hexdigest()}"


def make_users(passwords: Mapping[str, str], socket: str, file: Path) -> None:
    """Create MLflow's users, or give them these passwords.

    Raises Misconfigured if MLflow refuses the one of a person, which is in a file.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(postgres.url(MLFLOW_USERS, socket))
    for name, password in passwords.items():
        put = store.update_user if store.has_user(name) else store.create_user
        try:
            put(name, password, is_admin=name == USER)
        except MlflowException as error:
            reason = str(error.message).rstrip(".")
            raise Misconfigured(
                f"MLflow refuses the password of {name!r}: {reason}; write another one into {file}"
            ) from error


def _config_file(var: Path) -> Path:
    return var / "run" / "mlflow.ini"


def main() -> None:
    """Make the users of the stack of the settings, whose database runs."""
    var = current_settings().var
    worker = stack_secrets.ensure(var).mlflow_password
    passwords = {USER: stack_secrets.password(var), WORKER: worker}
    socket = str(postgres.socket_folder(var / "postgres"))
    make_users(passwords, socket, stack_secrets.password_file(var))


if __name__ == "__main__":
    cli.run(main)
