"""The processes of a stack: found also when the one that started them was killed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Record:
    """What `up` notes of what it started: the supervisor, the sessions of its parts, ports, runtime.

    A process is known by its id and when it was created, since ids are used again.
    """

    supervisor: int
    created: float
    sessions: tuple[int, ...] = ()
    ports: tuple[int, ...] = ()
    runtime: str = ""

    @classmethod
    def read(cls, file: Path) -> Record | None:
        """The note, or None if there is none that can be read."""
        try:
            fields = json.loads(file.read_text())
            return cls(
                supervisor=fields["supervisor"],
                created=fields["created"],
                sessions=tuple(fields["sessions"]),
                ports=tuple(fields["ports"]),
                runtime=fields["runtime"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Keep the note, whole or not at all."""
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.__dict__))
        temporary.replace(file)

    def process(self) -> psutil.Process | None:
        """The supervisor, if it runs."""
        try:
            found = psutil.Process(self.supervisor)
            alive = abs(found.create_time() - self.created) < 2 and found.status() != psutil.STATUS_ZOMBIE
            return found if alive else None
        except psutil.NoSuchProcess:
            return None

    def members(self) -> list[psutil.Process]:
        """Every process of the stack but the database: below the supervisor, or in a part's session."""
        supervisor = self.process()
        below = supervisor.children(recursive=True) if supervisor else []
        found = {process.pid: process for process in [*([supervisor] if supervisor else []), *below]}
        for process in psutil.process_iter():
            try:
                in_session = (
                    os.getsid(process.pid) in self.sessions and process.create_time() >= self.created - 2
                )
            except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                continue
            if in_session and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process
        return list(found.values())


def sessions_below(supervisor: psutil.Process) -> tuple[int, ...]:
    """The sessions that a supervisor's parts run in, their own aside."""
    found = set()
    for process in supervisor.children(recursive=True):
        try:
            found.add(os.getsid(process.pid))
        except ProcessLookupError:
            continue
    return tuple(sorted(found - {os.getsid(supervisor.pid)}))


def end(processes: Iterable[psutil.Process], grace: float) -> None:
    """End processes: asked first, killed after `grace` seconds."""
    left = list(processes)
    for signal in ("terminate", "kill"):
        for process in left:
            try:
                getattr(process, signal)()
            except psutil.NoSuchProcess:
                continue
        _, left = psutil.wait_procs(left, timeout=grace)


def listening_on(port: int) -> str:
    """Who listens on a port, as `name (pid)`, or what can be said about it."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another process"


def listens_beside(host: str, port: int) -> bool:
    """Whether somebody listens on a port at another address than this one."""
    try:
        listening = [one for one in psutil.net_connections("tcp4") if one.status == psutil.CONN_LISTEN]
        return any(one.laddr[1:2] == (port,) and one.laddr[:1] != (host,) for one in listening)
    except psutil.AccessDenied:
        return False


def memory(processes: Iterable[psutil.Process]) -> int:
    """Their memory in bytes, shared pages counted once in all (PSS; RSS where there is no PSS)."""
    total = 0
    for process in processes:
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def wait_gone(process: psutil.Process, seconds: float) -> bool:
    """Whether a process ended within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _over(process):
            return True
        time.sleep(0.1)
    return False


def _over(process: psutil.Process) -> bool:
    try:
        if not process.is_running() or process.status() != psutil.STATUS_ZOMBIE:
            return not process.is_running()
        os.waitpid(process.pid, os.WNOHANG)  # its parent may be this process: then nobody else ends it
    except (psutil.NoSuchProcess, ChildProcessError):
        pass
    return True


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Be the only holder of a lock, waiting for it; it ends with the process, however that ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_at(lock.fileno(), file):
                continue  # the holder waited for has removed the file: this lock would keep nobody out
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
