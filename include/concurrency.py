"""Doing a few things at once that wait for a server, in their order and in bounded memory."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def map_ordered(work: Callable[[Item], Done], items: Iterable[Item], at_once: int) -> Iterator[Done]:
    """What the work makes of each item, in order; never more than `at_once` before they are asked for.

    Raises what the first item that failed raised, once those that had begun have ended.
    """
    begun: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) == at_once:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


_WORTH_A_THREAD = 1 << 16
"""Bytes: the digest of fewer is known before a thread would have begun."""


class BackgroundTask:
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


class BackgroundHash:
    """A digest that is a block behind: hashlib lets go of the interpreter, so that it takes another core."""

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._beside = BackgroundTask()

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
