"""`python -m include.platform.embedded.keeper`: restarts what supervisord does not.

It is an event listener of supervisord (http://supervisord.org/events.html), which starts it, and starts it
again if it dies. It

- starts PostgreSQL if that has died, for which it looks every five seconds,
- ends what a part has left that died or was restarted: a worker whose scheduler has died would work on beside
  the next one's,
- starts a part again that supervisord has given up, and restarts one that has not been healthy for long, for
  which it looks every thirty seconds.

If supervisord dies, the keeper's input ends, and a process of its own starts the whole stack again.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler

import psutil
from supervisor.childutils import get_headers, listener

from include.exceptions import MillraceError
from include.platform.embedded.stack import HEALTHY, Stack, judge
from include.platform.embedded.supervisor import FATAL, Part
from include.settings import inherited_environment, settings

HANG_SECONDS = 150.0
"""After which a part is restarted that was healthy and is no more; a busy machine, or one that was suspended,
takes less until it is healthy again."""
START_SECONDS = 600.0
"""After which a part is restarted that was never healthy."""
_LOOK_SECONDS = 30.0  # also between two starts of a part that supervisord has given up
_REVIVAL_SECONDS = 10.0

_log = logging.getLogger("keeper")


@dataclass
class _Life:
    """What is known of a part from its start to its end."""

    pid: int
    last_healthy: float
    """Or the time at which it was first seen."""
    limit: float = START_SECONDS


@dataclass
class Keeper:
    """What a stack needs beside supervisord."""

    stack: Stack
    _lives: dict[str, _Life] = field(default_factory=dict)
    _next_look: float = 0.0

    def handle(self, event: str, payload: dict[str, str]) -> None:
        """Do what an event of supervisord calls for; never raise, as the next event is another chance."""
        name, now = payload.get("processname", ""), time.monotonic()
        steps: list[Callable[[], None]] = [self.stack.start_database]
        if name:
            steps = [lambda: self._note(name, event), self._end_orphans, *steps]
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            steps += [self._look, self._end_orphans]
        for step in steps:
            try:
                step()
            except (MillraceError, OSError, psutil.Error) as error:
                _log.warning("%s", error)

    def _note(self, part: str, event: str) -> None:
        _log.warning("%s died (%s)", part, event)
        self.stack.deaths.add(part)

    def _end_orphans(self) -> None:
        """End members of the stack that do not descend from supervisord any more."""
        if orphans := self.stack.orphans():
            _log.warning("ending %s, whose part has died", [process.pid for process in orphans])
            for process in orphans:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _look(self) -> None:
        """Start what was given up, and restart what hangs."""
        health = self.stack.health()
        for name, part in self.stack.supervisor.parts().items():
            if part.state == FATAL:
                _log.warning("starting %s, which has failed to start", name)
                self.stack.supervisor.start(name)
            elif part.is_running and self._hangs(part, judge(name, health)):
                _log.warning("restarting %s, which %s", name, health[name])
                self.stack.supervisor.restart(name)

    def _hangs(self, part: Part, state: str) -> bool:
        """Return whether a part has not been healthy for too long."""
        life = self._lives.get(part.name)
        if life is None or life.pid != part.pid:
            limit = HANG_SECONDS if part.seconds > START_SECONDS else START_SECONDS
            life = self._lives[part.name] = _Life(part.pid, time.monotonic(), limit)
        if state == HEALTHY:
            life.last_healthy, life.limit = time.monotonic(), HANG_SECONDS
        return time.monotonic() - life.last_healthy > life.limit


def keep(stack: Stack) -> None:
    """Handle supervisord's events until it dies, then have the stack revived."""
    keeper, record = Keeper(stack), stack.record()
    # If supervisord is dead already, this process has another parent.
    supervisor = record.supervisor if record else os.getppid()
    for event, payload in _events():
        keeper.handle(event, payload)
    _log.warning("the supervisor died")
    # In a session of its own: this process is a member of the stack, which is ended before it starts again.
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "include.platform.embedded.keeper", str(supervisor)],
        inherited_environment(),
        setsid=True,
        file_actions=[(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)],
    )


def _events() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the payload of each event, until supervisord's pipes are closed."""
    with suppress(BrokenPipeError):
        while True:
            listener.ready()
            line = sys.stdin.readline()
            if not line:
                return
            headers = get_headers(line)
            yield headers["eventname"], get_headers(sys.stdin.read(int(headers["len"])).split("\n")[0])
            listener.ok()


def revive(stack: Stack, supervisor: int) -> None:
    """Start a stack again whose supervisor has died, unless somebody else does or has stopped it."""
    while True:
        try:
            stack.revive(supervisor, lambda text: _log.warning("%s", text))
            return
        except Exception:  # noqa: BLE001 - whatever it is, nobody else starts the stack
            _log.exception("the stack could not be started, trying again")
            time.sleep(_REVIVAL_SECONDS)


def main() -> None:
    """Keep the stack of the settings or, with the process id of a dead supervisor, revive it."""
    stack = Stack(settings())
    # The output of a part is a pipe that nobody reads once supervisord has died.
    handler = RotatingFileHandler(stack.logs / "keeper.log", maxBytes=2**20, backupCount=1)
    logging.basicConfig(format="%(asctime)s %(message)s", handlers=[handler])
    logging.raiseExceptions = False  # on a full disk
    if len(sys.argv) > 1:
        revive(stack, int(sys.argv[1]))
    else:
        keep(stack)


if __name__ == "__main__":
    main()
