"""What `make status` shows: each part's state, since when, its deaths and its memory; and the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from include.exceptions import Unavailable
from include.platform.embedded import postgres, processes
from include.platform.embedded.stack import HEALTHY, POSTGRES, Stack
from include.platform.embedded.supervisor import KEEPER, Part

_STATES = {"STARTING": "is being started", "BACKOFF": "dies at its start", "FATAL": "has failed to start"}


@dataclass(frozen=True)
class PartStatus:
    """The state of one part, of the supervisor or of the keeper."""

    part: str
    state: str
    """`healthy`, or what is wrong."""
    log: Path
    since: float = 0.0
    """When it was started or, if it does not run, when it ended: seconds since the epoch; 0 if unknown."""
    memory: int = 0
    """Bytes of all its processes (PSS)."""
    deaths: int = 0
    """Since the stack was started."""
    last_death: float = 0.0

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.state == HEALTHY


def statuses(stack: Stack) -> list[PartStatus]:
    """Return the status of each part, in the order of their start, and of what watches them."""
    health, deaths = stack.health(), stack.deaths.read()
    record = stack.record()
    supervisor = record.process() if record else None
    try:
        seen = stack.supervisor.parts() if supervisor else {}
        answer = HEALTHY if supervisor else "does not run"
    except Unavailable:
        seen, answer = {}, "does not answer"
    rows = [
        PartStatus(
            name,
            _state(health.get(name, HEALTHY), seen.get(name)),
            stack.log_of(name),
            since=seen[name].since if name in seen else 0.0,
            memory=processes.memory(_tree(seen[name].pid)) if name in seen else 0,
            deaths=deaths.get(name, (0, 0.0))[0],
            last_death=deaths.get(name, (0, 0.0))[1],
        )
        for name in (*stack.parts, KEEPER)
        if name != POSTGRES
    ]
    watcher = PartStatus(
        "supervisor",
        answer,
        stack.supervisor.log,
        since=_created(supervisor.pid if supervisor else None),
        memory=processes.memory([supervisor] if supervisor else []),
    )
    return [_database(stack, health[POSTGRES], deaths), *rows, watcher]


def size_on_disk(folder: Path) -> int:
    """Return the bytes that the files below a folder take on the disk."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(path, name).lstat().st_blocks * 512
            except OSError:  # removed meanwhile
                continue
    return total


def _database(stack: Stack, state: str, deaths: dict[str, tuple[int, float]]) -> PartStatus:
    number, last = deaths.get(POSTGRES, (0, 0.0))
    pid = postgres.pid(stack.database)
    return PartStatus(
        POSTGRES,
        state,
        stack.log_of(POSTGRES),
        since=_created(pid),
        memory=processes.memory(postgres.members(stack.database)),
        deaths=number,
        last_death=last,
    )


def _state(health: str, part: Part | None) -> str:
    """Return what supervisord says if that is why a part is not healthy, else what the part itself says."""
    if part is None:
        return "does not run"
    if part.is_running:
        return health
    return _STATES.get(part.state, f"is {part.state.lower()}")


def _created(pid: int | None) -> float:
    try:
        return psutil.Process(pid).create_time() if pid else 0.0
    except psutil.NoSuchProcess:
        return 0.0


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid) if pid else None
        return [process, *process.children(recursive=True)] if process else []
    except psutil.NoSuchProcess:
        return []
