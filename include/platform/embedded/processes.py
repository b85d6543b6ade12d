"""The processes of a stack, which are found even if the process that started them was killed."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from include.exceptions import Misconfigured


@cache
def _boot_id(proc: Path = Path("/proc")) -> str:
    """Return what differs after each start of the machine or, within one, of the container."""
    kernel = proc / "sys/kernel/random/boot_id"
    if not kernel.exists():
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]  # macOS
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    started = ""
    with suppress(OSError):  # a machine may hide the processes of others (`hidepid` of /proc)
        started = (proc / "1/stat").read_text().rpartition(")")[2].split()[_START_TIME]
    return f"{kernel.read_text().strip()} {started}"


_START_TIME = 19
"""Of the fields of proc_pid_stat(5) after the name: when a process started, in ticks of the machine."""


@dataclass(frozen=True)
class Record:
    """What `up` started: the supervisor, whose session all parts belong to, the ports and the runtime.

    Ids of processes are used again. So the supervisor is the process of this id with these `arguments`, and
    its session is of the same `boot`: the system does not give its id away while a process is in it. Times of
    creation would not do, as they move with the clock.
    """

    supervisor: int
    arguments: tuple[str, ...]
    boot: str = field(default_factory=_boot_id)
    ports: tuple[int, ...] = ()
    runtime: str = ""

    @classmethod
    def read(cls, file: Path) -> Record | None:
        """Return the record in a file, or None if the file is missing or cannot be read.

        Raises Misconfigured for one of another version whose supervisor still runs.
        """
        fields: Any = None
        try:
            fields = json.loads(file.read_text())
            return cls(
                supervisor=fields["supervisor"],
                arguments=tuple(fields["arguments"]),
                boot=fields["boot"],
                ports=tuple(fields["ports"]),
                runtime=fields["runtime"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            _refuse_other_version(file, fields)
            return None

    def write(self, file: Path) -> None:
        """Replace the file atomically by this record."""
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.__dict__))
        temporary.replace(file)

    def process(self) -> psutil.Process | None:
        """Return the supervisor's process, or None if it does not run."""
        try:
            found = psutil.Process(self.supervisor)
            return found if tuple(found.cmdline()[1:]) == self.arguments else None
        except psutil.Error:
            return None

    def members(self) -> list[psutil.Process]:
        """Return every process of the stack except the database's.

        These are the processes in the supervisor's session, which keeps its id when the supervisor dies, and
        what descends from them.
        """
        everybody = list(psutil.process_iter())
        supervisor = self.process()
        if not supervisor and (self.boot != _boot_id() or _lives(self.supervisor)):
            return []
        roots = [process for process in everybody if _is_in(process, self.supervisor)]
        members = _family([*([supervisor] if supervisor else []), *roots], everybody)
        members.pop(os.getpid(), None)  # a part of the stack may start it again
        return list(members.values())

    def orphans(self) -> list[psutil.Process]:
        """Return the members that do not descend from the supervisor; none if it does not run."""
        supervisor = self.process()
        if supervisor is None:
            return []
        # In this order: what starts in between descends from the supervisor.
        members = self.members()
        kept = _family([supervisor], list(psutil.process_iter()))
        return [process for process in members if process.pid not in kept and process.is_running()]


def _refuse_other_version(file: Path, fields: Any) -> None:
    """Raise Misconfigured if the process that an unknown record names leads a session, as supervisors do."""
    pid = fields.get("supervisor") if isinstance(fields, dict) else None
    if isinstance(pid, int) and pid > 1 and _lives(pid) and _is_in(psutil.Process(pid), pid):
        raise Misconfigured(
            f"{file} was written by another version of Millrace, whose stack still runs (process {pid}): run "
            "`make down` in a checkout of that version; or end the process with what it has started, remove "
            "the file, and run `make up`"
        )


def started_with(arguments: tuple[str, ...]) -> list[psutil.Process]:
    """Return the processes that were started with these arguments, whatever their program."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])  # of a zombie it is empty
        if tuple((process.info["cmdline"] or ())[1:]) == arguments
    ]


def wait_for_arguments(pid: int, seconds: float = 5) -> None:
    """Wait until a process that was just started shows its arguments, or has ended.

    Linux lets `posix_spawn` return a moment before they are in place (`exec_mmap` of fs/exec.c wakes the
    parent), and shows none until then.
    """
    deadline = time.monotonic() + seconds
    with suppress(psutil.Error):
        while not psutil.Process(pid).cmdline() and time.monotonic() < deadline:
            time.sleep(0.001)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_in(process: psutil.Process, session: int) -> bool:
    """Return whether a process lives and is in a session."""
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        return False


def _family(roots: list[psutil.Process], everybody: list[psutil.Process]) -> dict[int, psutil.Process]:
    """Return processes and all that descends from them, by process id.

    `psutil.Process.children` would read the parents of all processes anew for each root.
    """
    children: dict[int, list[psutil.Process]] = {}
    for process in everybody:
        with suppress(psutil.NoSuchProcess):
            children.setdefault(process.ppid(), []).append(process)
    found = dict[int, psutil.Process]()
    pending = list(roots)
    while pending:
        process = pending.pop()
        if process.pid not in found:
            found[process.pid] = process
            pending += children.get(process.pid, [])
    return found


def end(processes: Iterable[psutil.Process], grace: float) -> None:
    """Terminate processes, and kill those that still run after `grace` seconds."""
    running = list(processes)
    for signal in ("terminate", "kill"):
        for process in running:
            try:
                getattr(process, signal)()
            except psutil.NoSuchProcess:
                continue
        _, running = psutil.wait_procs(running, timeout=grace)


def listeners(port: int) -> set[int | None]:
    """Return the processes that listen on a port; none where only root may know them (macOS)."""
    try:
        return {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
        }
    except psutil.AccessDenied:
        return set()


def listening_on(port: int) -> str:
    """Describe the process that listens on a port, such as `nginx (process 17)` or `another process`."""
    with suppress(psutil.AccessDenied, psutil.NoSuchProcess):
        for pid in filter(None, listeners(port)):
            return f"{psutil.Process(pid).name()} (process {pid})"
    return "another process"


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def listens_on_another_address(host: str, port: int) -> bool:
    """Return whether a process listens on a port at an address other than `host`."""
    try:
        sockets = [row for row in psutil.net_connections("tcp4") if row.status == psutil.CONN_LISTEN]
        return any(row.laddr[1:2] == (port,) and row.laddr[:1] != (host,) for row in sockets)
    except psutil.AccessDenied:
        return False


def memory(processes: Iterable[psutil.Process]) -> int:
    """Return the memory of processes in bytes, counting shared pages once (PSS; RSS where PSS is missing)."""
    total = 0
    for process in processes:
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def wait_until_gone(process: psutil.Process, seconds: float) -> bool:
    """Wait at most some seconds until a process has ended; return whether it has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _has_ended(process):
            return True
        time.sleep(0.1)
    return False


def _has_ended(process: psutil.Process) -> bool:
    try:
        if not process.is_running() or process.status() != psutil.STATUS_ZOMBIE:
            return not process.is_running()
        os.waitpid(process.pid, os.WNOHANG)  # a zombie child of this process: only its parent can reap it
    except (psutil.NoSuchProcess, ChildProcessError):
        pass
    return True


class IsLocked(Exception):
    """Another process holds the lock."""


@contextmanager
def file_lock(file: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file, after waiting for it; raise IsLocked instead, without `wait`.

    The lock is released when the block ends, or when the process ends for any reason.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise IsLocked(str(file)) from None
            if not _is_at(lock.fileno(), file):
                continue  # the previous holder has removed the file, so this lock would exclude nobody
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
