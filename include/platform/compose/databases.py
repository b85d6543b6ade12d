"""Create the platform's databases and their users in PostgreSQL; runs inside a container, at every start."""

from __future__ import annotations

from typing import Any

from include.exceptions import Unavailable
from include.platform import cli

OWNERS = {"airflow": "airflow", "mlflow": "mlflow", "mlflow_auth": "mlflow", "lakefs": "lakefs"}
"""The databases with their owners, in the order in which `backup` saves them."""


def ensure(connection: Any, passwords: dict[str, str]) -> list[str]:
    """Create missing users and databases, and set the users' passwords; return the created databases."""
    created: list[str] = []
    with connection.cursor() as cursor:
        for user in dict.fromkeys(OWNERS.values()):
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,))
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            cursor.execute(f'{verb} ROLE "{user}" LOGIN PASSWORD %s', (passwords[user],))
        for name, user in OWNERS.items():
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if not cursor.fetchone():
                # `template0`: the default template has the server's encoding, which may not be UTF-8.
                cursor.execute(
                    f'CREATE DATABASE "{name}" OWNER "{user}" ENCODING \'UTF8\' TEMPLATE template0'
                )
                cursor.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
                created.append(name)
    return created


def main() -> None:
    """Connect by PGHOST, PGUSER and PGPASSWORD; the users' passwords come from the environment."""
    import psycopg2

    from include.platform.compose.settings import DatabaseSettings

    passwords = DatabaseSettings().passwords
    try:
        connection = psycopg2.connect(dbname="postgres")
    except psycopg2.OperationalError as error:
        raise Unavailable(f"cannot connect to PostgreSQL: {error}") from error
    connection.autocommit = True  # CREATE DATABASE is not allowed inside a transaction
    try:
        created = ensure(connection, passwords)
    finally:
        connection.close()
    print(f"databases: created {', '.join(created)}" if created else "databases: all exist")


if __name__ == "__main__":
    cli.run(main)
