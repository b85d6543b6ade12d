"""Print include/platform/kubernetes/secrets.example.yaml with values for `.ci/trial`.

All databases belong to one user.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).resolve().parents[2] / "include/platform/kubernetes/secrets.example.yaml"


def values() -> dict[str, str]:
    """Return a value for every key of the example, and for PostgreSQL's own secret."""
    word = secrets.token_hex  # contains no character that has to be escaped
    database, lake, key, password = word(16), f"AKIA{word(8).upper()}", word(20), word(16)
    server = "postgres.millrace-database"
    login = f"postgres:{database}@{server}:5432"
    unused = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "kedaConnection"), "unused")
    connections: dict[str, dict[str, Any]] = {
        "LAKEFS_DEFAULT": {
            "conn_type": "lakefs",
            "host": "http://lakefs.millrace:8000",
            "login": lake,
            "password": key,
        },
        "MLFLOW_DEFAULT": {
            "conn_type": "http",
            "host": "http://mlflow.millrace:5000",
            "login": "millrace",
            "password": password,
        },
        "GIT_MILLRACE": {"conn_type": "git", "host": "/srv/millrace"},  # in the image, see .ci/trial
        "LOGS": {"conn_type": "aws"},
    }
    return {
        **unused,
        "POSTGRES_PASSWORD": database,
        "LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING": f"postgresql://{login}/lakefs?sslmode=disable",
        "LAKEFS_AUTH_ENCRYPT_SECRET_KEY": word(32),
        "LAKEFS_INSTALLATION_ACCESS_KEY_ID": lake,
        "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": key,
        "PGHOST": server,
        "PGUSER": "postgres",
        "PGPASSWORD": database,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": word(32),
        "MLFLOW_AUTH_ADMIN_PASSWORD": word(16),
        "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": lake,
        "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": key,
        "MLFLOW_TRACKING_USERNAME": "millrace",
        "MLFLOW_TRACKING_PASSWORD": password,
        "connection": f"postgresql+psycopg2://{login}/airflow",
        "fernet-key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api-secret-key": word(32),
        "jwt-secret": word(64),
        "MILLRACE_PRIVACY_SECRET": word(32),
        **{f"AIRFLOW_CONN_{name}": json.dumps(fields) for name, fields in connections.items()},
    }


def filled(example: str) -> str:
    """Return the example with its values filled in, and the secret of .ci/trial.d/postgres.yaml."""
    content = values()
    manifests = [manifest for manifest in yaml.safe_load_all(example) if manifest]
    for manifest in manifests:
        manifest["stringData"] = {key: content[key] for key in manifest["stringData"]}
    metadata = {"name": "postgres", "namespace": "millrace-database"}
    password = {"POSTGRES_PASSWORD": content["POSTGRES_PASSWORD"]}
    manifests.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": password})
    return yaml.safe_dump_all(manifests, sort_keys=False)


if __name__ == "__main__":
    print(filled(EXAMPLE.read_text()))  # noqa: T201 - this is its one output
