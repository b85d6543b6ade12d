"""Doing one thing in a thread while the caller goes on, as the digest of a large block."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

_WORTH_A_THREAD = 1 << 16
"""Bytes: the digest of fewer is known before a thread would have begun."""


class Beside:
    """One piece of work at a time, in a thread that is made for the first one."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[object] | None = None

    def do(self, work: Callable[[], object]) -> None:
        """Begin this work once the work before has ended; raises what that one raised."""
        self.wait()
        self._pool = self._pool or ThreadPoolExecutor(1)
        self._running = self._pool.submit(work)

    def wait(self) -> None:
        """Until the work that was begun has ended; raises what it raised."""
        running, self._running = self._running, None
        if running:
            running.result()

    def end(self) -> None:
        """Wait, whatever comes of the work, and let the thread go."""
        with suppress(Exception):
            self.wait()
        if self._pool:
            self._pool.shutdown()
            self._pool = None


class Digest:
    """A digest that is a block behind: hashlib lets go of the interpreter, so that it takes another core."""

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._beside = Beside()

    def update(self, *blocks: bytes) -> None:
        """Add blocks; those before are done once this returns, so no more than these are in memory."""
        if sum(map(len, blocks)) >= _WORTH_A_THREAD:
            self._beside.do(partial(self._add, blocks))
            return
        self._beside.wait()
        self._add(blocks)

    def _add(self, blocks: tuple[bytes, ...]) -> None:
        for block in blocks:
            self._digest.update(block)

    def hexdigest(self) -> str:
        """Of all that was added."""
        try:
            self._beside.wait()
        finally:
            self._beside.end()
        return self._digest.hexdigest()
