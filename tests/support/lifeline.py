"""What a test process starts ends with it, even if it is killed and none of its fixtures can stop anything.

A watcher, which is a shell, reads a pipe that only the test process can write to. When that process ends, for
any reason, the system closes the pipe, and the watcher acts. Unlike Linux's PR_SET_PDEATHSIG, this reaches
what a server has started, and works on macOS.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from include.settings import ROOT

# A line means that nothing is left to do, the end of the pipe that the test process has ended.
_WATCH = 'cd "$0" && { read -r line || exec "$@"; }'
# The watcher leads the process group of the servers, and so sends the first signal to itself, too.
_END_GROUP = "trap '' TERM; kill -TERM 0; sleep 3; kill -KILL 0"


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a server that ends with this process, with the options of `subprocess.Popen`.

    It ends together with the processes that it starts, unless they leave its process group.
    """
    return subprocess.Popen(command, process_group=_group(), **options)


@contextmanager
def run_if_killed(*command: str) -> Iterator[None]:
    """Run a command, in the folder of the project, if this process ends inside of the block."""
    watcher, pipe = _watch(*command)
    try:
        yield
    finally:
        os.write(pipe, b"\n")
        os.close(pipe)
        os.waitpid(watcher, 0)


@cache
def _group() -> int:
    """Return the process group of all servers of this process; its pipe stays open until the process ends."""
    return _watch("/bin/sh", "-c", _END_GROUP)[0]


def _watch(*command: str) -> tuple[int, int]:
    """Start a watcher that leads a process group; return its process id, and its pipe to write to.

    It has no output, as a reader of this process's output would wait for it. It is no `Popen`, which closes
    the pipe when it is collected, and warns that the watcher still runs.
    """
    reader, writer = os.pipe()
    watcher = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _WATCH, str(ROOT), *command],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reader, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setpgroup=0,
    )
    os.close(reader)
    return watcher, writer
