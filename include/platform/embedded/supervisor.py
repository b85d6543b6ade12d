"""supervisord, which starts the parts of the Procfile and restarts those that die.

PostgreSQL is not among them: where root starts the stack, it runs as another user, and it has to outlive a
supervisor that dies. `include/platform/embedded/keeper.py` watches both.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Error, Fault, ServerProxy, Transport

from include.exceptions import Unavailable
from include.platform.embedded import processes, sockets
from include.settings import ROOT

KEEPER = "keeper"
FATAL, STOPPED = "FATAL", "STOPPED"
"""The states of a part that supervisord does not start by itself: it has failed to start, or was stopped."""
PROCFILE = Path(__file__).with_name("Procfile")

_STOP_SECONDS = 8  # then the part is killed
_ANSWER_SECONDS = _STOP_SECONDS + 7.0  # a stop is answered when the part has ended
_SOCKET = "supervisor.sock"
_CONFIG = """\
; Written by include/platform/embedded/supervisor.py at each start.
[supervisord]
nodaemon = true
silent = true
directory = {root}
pidfile = {run}/supervisor.pid
logfile = {log}/supervisor.log
logfile_maxbytes = 1MB
logfile_backups = 1
childlogdir = {log}
nocleanup = true
umask = 077
{user}
[unix_http_server]
file = {socket}
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

"""
_KEEPER = """
[eventlistener:{name}]
command = {command}
events = PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF,TICK_5
buffer_size = 1000
startretries = 1000
autorestart = true
stopwaitsecs = 2
stdout_logfile = NONE
stderr_logfile = NONE
"""
# A part that dies within `startsecs` has not started. After `startretries` further starts, one, two, three …
# seconds apart, it has failed; the keeper starts it again later.
_PART = """
[program:{name}]
command = {command}
startsecs = 5
startretries = 3
autorestart = true
stopasgroup = true
killasgroup = true
stopwaitsecs = {stop}
redirect_stderr = true
stdout_logfile = {log_of_parts}/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 1
"""


@dataclass(frozen=True)
class Part:
    """What supervisord knows of a part."""

    name: str
    state: str
    """One of http://supervisord.org/subprocess.html#process-states, such as `RUNNING`."""
    pid: int
    since: float
    """Time of its last start or end, in seconds since the epoch; 0 if it was never started."""

    @property
    def is_running(self) -> bool:
        """Whether it has started, and not ended since."""
        return self.state == "RUNNING"

    @property
    def seconds(self) -> float:
        """Seconds since its last start or end."""
        return time.time() - self.since


@dataclass(frozen=True)
class Supervisor:
    """The supervisord of a stack, whose files are below one folder."""

    var: Path

    @property
    def log(self) -> Path:
        """File of what supervisord has done."""
        return self.var / "log" / "supervisor.log"

    @property
    def _run(self) -> Path:
        return self.var / "run"

    @property
    def socket(self) -> Path:
        """Unix socket on which supervisord answers its user."""
        return sockets.folder(self._run, _SOCKET) / _SOCKET

    @property
    def _config_file(self) -> Path:
        return self._run / "supervisord.conf"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of its process, after the program."""
        return "-m", "supervisor.supervisord", "-c", str(self._config_file)

    def spawn(self, commands: Mapping[str, str], variables: Mapping[str, str]) -> int:
        """Start supervisord in a session of its own, which outlives this process; return its process id.

        The parts, given as their commands for a shell, start with it, with umask 077, because their files
        (artifacts, logs, the lake) hold rows of the data.
        """
        if (folder := self.socket.parent) != self._run:
            sockets.make_private(folder, {os.geteuid()})
        self.socket.unlink(missing_ok=True)
        self._config_file.write_text(self._config(commands))
        before = os.umask(0o077)
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *self.arguments],
                dict(variables),
                setsid=True,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    # Not a file: on a full disk it reports there that it cannot write its log, and dies if
                    # that fails as well (supervisor 4.3).
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
            )
        finally:
            os.umask(before)
        processes.wait_for_arguments(pid)
        return pid

    def parts(self) -> dict[str, Part]:
        """Return what supervisord knows of each part; raise Unavailable if it does not answer."""
        rows = self._call("getAllProcessInfo")
        return {
            row["name"]: Part(
                row["name"],
                row["statename"],
                row["pid"],
                row["start"] if row["statename"] in ("STARTING", "RUNNING") else row["stop"],
            )
            for row in rows
        }

    def start(self, part: str) -> None:
        """Start a part, unless it runs or is being started."""
        self._call("startProcess", part, False, but="ALREADY_STARTED")

    def stop(self, part: str) -> None:
        """Stop a part and wait until it has ended; nothing starts it until `start`."""
        self._call("stopProcess", part, but="NOT_RUNNING")

    def restart(self, part: str) -> None:
        """Stop a part, if it runs, and start it again."""
        self.stop(part)
        self.start(part)

    def remove(self) -> None:
        """Remove what a supervisord that has ended leaves behind."""
        for file in (self._config_file, self._run / "supervisor.pid"):
            file.unlink(missing_ok=True)
        sockets.remove(self.socket.parent, _SOCKET, keep=self._run)

    def _config(self, commands: Mapping[str, str]) -> str:
        log = self.var / "log"
        places = {
            "root": _literal(ROOT),
            "run": _literal(self._run),
            "log": _literal(log),
            "log_of_parts": _literal(_literal(log)),  # expanded twice by supervisor 4.3
            "socket": _literal(self.socket),
            # It warns about it at each start otherwise.
            "user": "user = root\n" if os.geteuid() == 0 else "",
        }
        sections = [
            (_KEEPER if part == KEEPER else _PART).format(
                name=part, command=_command(line), stop=_STOP_SECONDS, **places
            )
            for part, line in commands.items()
        ]
        return _CONFIG.format(**places) + "".join(sections)

    def _call(self, method: str, *arguments: Any, but: str = "") -> Any:
        transport = _UnixTransport(self.socket)
        try:
            with ServerProxy("http://localhost", transport=transport, allow_none=True) as server:
                return getattr(server.supervisor, method)(*arguments)
        except Fault as fault:
            if but and fault.faultString.startswith(but):
                return None
            raise Unavailable(f"the supervisor refused {method}{arguments}: {fault.faultString}") from fault
        except (OSError, HTTPException, Error) as error:
            raise Unavailable(f"the supervisor does not answer at {self.socket}: {error!r}") from error


def read_procfile() -> dict[str, str]:
    """Return the commands of the Procfile by part."""
    lines = (line.split(":", 1) for line in PROCFILE.read_text().splitlines())
    return {name: command.strip() for name, command in lines}


def _command(line: str) -> str:
    """Return a line of the Procfile as a command for supervisord, which has no shell."""
    return _literal(shlex.join(("/bin/sh", "-c", line)))


def _literal(value: object) -> str:
    """Return a value that supervisord's configuration takes as it is."""
    return str(value).replace("%", "%%")


class _UnixTransport(Transport):
    """XML-RPC over a Unix socket, with a limit of time, which supervisor's own transport lacks."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def make_connection(self, host: Any) -> HTTPConnection:  # noqa: ARG002
        return _UnixConnection(self._file)


class _UnixConnection(HTTPConnection):
    def __init__(self, file: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._file = file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(str(self._file))
