"""Inside a container: the platform's databases, each of a user of its own. Harmless if they are there."""

from __future__ import annotations

import sys
from typing import Any

from include.exceptions import MillraceError, Unavailable

OWNERS = {"airflow": "airflow", "mlflow": "mlflow", "mlflow_auth": "mlflow", "lakefs": "lakefs"}
"""Each database with its user; in the order in which they are saved (include/platform/compose/backup.py)."""


def ensure(connection: Any, passwords: dict[str, str]) -> list[str]:
    """Make what is missing, and let each password be the one given; the databases that were made."""
    made: list[str] = []
    with connection.cursor() as cursor:
        for user in dict.fromkeys(OWNERS.values()):
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,))
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            cursor.execute(f'{verb} ROLE "{user}" LOGIN PASSWORD %s', (passwords[user],))
        for name, user in OWNERS.items():
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if not cursor.fetchone():
                # From the empty template: the server's own encoding may be one that holds no "é".
                cursor.execute(
                    f'CREATE DATABASE "{name}" OWNER "{user}" ENCODING \'UTF8\' TEMPLATE template0'
                )
                cursor.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
                made.append(name)
    return made


def main() -> int:
    """As PGHOST, PGUSER and PGPASSWORD say, with the passwords of the users from the environment."""
    import psycopg2

    from include.platform.compose.settings import DatabaseSettings

    told = DatabaseSettings()
    try:
        connection = psycopg2.connect(dbname="postgres")
    except psycopg2.OperationalError as error:
        raise Unavailable(f"PostgreSQL does not let us in: {error}") from error
    connection.autocommit = True  # a database cannot be made inside a transaction
    try:
        made = ensure(connection, told.passwords)
    finally:
        connection.close()
    print("databases:", ", ".join(made) or "all there")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MillraceError as error:
        sys.exit(str(error))
