"""What `make doctor` examines: what keeps a stack from starting or running, and what to do about it."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import psutil

from include.exceptions import MillraceError
from include.platform.embedded import lake_process, processes
from include.platform.embedded.environment import HOST
from include.platform.embedded.stack import HEALTHY, PORTS, Stack
from include.settings import ROOT

_MIB = 2**20
_MIN_MEMORY = 2500 * _MIB
"""What an idle stack takes, and two jobs."""
_CLOCK_SECONDS = 5


@dataclass(frozen=True)
class Finding:
    """What was found about one subject; `remedy` is empty if nothing is wrong."""

    subject: str
    found: str
    remedy: str = ""


def examine(stack: Stack) -> Iterator[Finding]:
    """Yield what is found, in the order in which faults should be removed."""
    checks: tuple[Callable[[Stack], Finding], ...] = (
        _versions,
        _folder,
        _secrets,
        _disk,
        _memory,
        _clock,
        _ports,
        _lake_program,
        _stale,
        _parts,
    )
    for check in checks:
        try:
            yield check(stack)
        except (MillraceError, OSError, psutil.Error) as error:
            yield Finding(check.__name__.strip("_"), str(error), "correct what the message names")


def _versions(_: Stack) -> Finding:
    locked = dict(
        line.split(" ")[0].split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#")) and ";" not in line
    )
    wrong = [name for name, number in locked.items() if _installed(name.split("[")[0]) != number]
    if wrong:
        return Finding(
            "versions",
            f"{len(wrong)} packages differ from requirements.txt: {', '.join(wrong[:5])}",
            "run `make setup`",
        )
    return Finding("versions", f"{len(locked)} packages as in requirements.txt")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _folder(stack: Stack) -> Finding:
    var = stack.settings.var
    if not var.exists():
        return Finding("folder", f"{var} is made by `make up`")
    state = var.stat()
    if state.st_uid != os.geteuid():
        return Finding(
            "folder",
            f"{var} belongs to user {state.st_uid}, not to {os.geteuid()}",
            "start the stack as the same user as before, or set MILLRACE_VAR to another folder",
        )
    others = state.st_mode & 0o077 & ~(stat.S_IXOTH if os.geteuid() == 0 else 0)
    if others or not os.access(var, os.W_OK):
        return Finding(
            "folder", f"{var} has mode {stat.filemode(state.st_mode)}, not drwx------", f"chmod 700 {var}"
        )
    return Finding("folder", f"{var}, of this user only")


def _secrets(stack: Stack) -> Finding:
    files = sorted((stack.settings.var / "secrets").glob("*"))
    open_to_others = [file for file in files if file.stat().st_mode & 0o077]
    if open_to_others:
        names = " ".join(str(file) for file in open_to_others)
        return Finding("secrets", f"others may read {names}", f"chmod 600 {names}")
    return Finding("secrets", f"{len(files)} files, of this user only" if files else "made by `make up`")


def _disk(stack: Stack) -> Finding:
    folder = next(path for path in (stack.settings.var, *stack.settings.var.parents) if path.exists())
    free, least = shutil.disk_usage(folder).free, stack.settings.min_free
    if free < least:
        return Finding(
            "disk",
            f"{free // _MIB:,} MiB free, less than MILLRACE_MIN_FREE ({least // _MIB:,} MiB)",
            "free some space, without which no data is loaded and no training starts: "
            "`make clean WHAT=garbage`, for example",
        )
    return Finding("disk", f"{free // _MIB:,} MiB free")


def _memory(stack: Stack) -> Finding:
    available = psutil.virtual_memory().available
    if stack.members() or available >= _MIN_MEMORY:
        return Finding("memory", f"{available // _MIB:,} MiB available")
    return Finding(
        "memory",
        f"{available // _MIB:,} MiB available; an idle stack takes about {_MIN_MEMORY // _MIB:,} MiB",
        "end other programs, or lower MILLRACE_AIRFLOW_PARALLELISM",
    )


def _clock(stack: Stack) -> Finding:
    run = stack.settings.var / "run"
    written = max((file.stat().st_mtime for file in run.glob("*")), default=0.0)
    ahead = written - time.time()
    if ahead > _CLOCK_SECONDS:
        return Finding(
            "clock",
            f"the stack's files are {ahead:,.0f} s in the future: the clock was put back",
            "correct the clock; then `make down` and `make up`, as the parts measure time by it",
        )
    return Finding("clock", time.strftime("%Y-%m-%d %H:%M:%S %z"))


def _ports(stack: Stack) -> Finding:
    ours = {process.pid for process in stack.members()}
    for part, variable in PORTS.items():
        port = int(stack.settings.variables()[variable])
        owners = processes.listeners(port)
        if owners - ours or (not owners and not ours and not processes.is_free(HOST, port)):
            return Finding(
                "ports",
                f"port {port} for {part} is taken by {processes.listening_on(port)}",
                f"stop it, or set {variable} to a free port",
            )
    return Finding("ports", "in use by this stack" if ours else "free")


def _lake_program(stack: Stack) -> Finding:
    lake_process.check(stack.settings)
    return Finding("lake", stack.settings.lakefs.binary or "the embedded server")


def _stale(stack: Stack) -> Finding:
    record = stack.record()
    if record and record.process() is None:
        left = len(record.members())
        return Finding(
            "supervisor",
            f"it died and left {left} processes",
            "run `make up`, which ends them and starts anew",
        )
    if record is None and (left := len(stack.members())):
        return Finding(
            "supervisor",
            f"none is recorded, but {left} processes of the stack run",
            "run `make down`, or `make up`, which starts anew",
        )
    return Finding("supervisor", "runs" if record else "the stack does not run")


def _parts(stack: Stack) -> Finding:
    if stack.record() is None:
        return Finding("parts", "the stack does not run")
    unhealthy = {part: state for part, state in stack.health().items() if state != HEALTHY}
    if unhealthy:
        return Finding(
            "parts",
            ", ".join(f"{part} {state}" for part, state in unhealthy.items()),
            "wait a minute, then run `make up`; the logs: "
            + ", ".join(str(stack.log_of(p)) for p in unhealthy),
        )
    return Finding("parts", f"{len(stack.parts)} healthy")
