"""Overlap waiting for a server with other work: ordered results, one background task, bounded memory."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MIN_THREADED_BYTES = 1 << 16
"""Below this, hashing takes less time than handing the blocks to a thread."""


# Executor.map submits every item at once and so keeps every result in memory. Drop once Python 3.14 is the
# floor: https://docs.python.org/3.14/library/concurrent.futures.html#concurrent.futures.Executor.map
# (`buffersize`).
def map_ordered(
    function: Callable[[Item], Result], items: Iterable[Item], max_workers: int
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of the items.

    At most `max_workers` calls run, or have a result that was not consumed yet, at any time; items are
    taken only as results are consumed. Raises the first item's error once the calls in progress have ended.

        for table in map_ordered(read, parts, 8):
            ...
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == max_workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class BackgroundTask:
    """One call at a time in a background thread, which is created with the first call."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[object] | None = None

    def start(self, function: Callable[[], object]) -> None:
        """Start a call once the previous one has ended; raise the previous call's error."""
        self.wait()
        self._pool = self._pool or ThreadPoolExecutor(1)
        self._running = self._pool.submit(function)

    def wait(self) -> None:
        """Wait for the call in progress; raise its error."""
        running, self._running = self._running, None
        if running:
            running.result()

    def shutdown(self) -> None:
        """Wait for the call in progress, ignore its error, and end the thread."""
        with suppress(Exception):
            self.wait()
        if self._pool:
            self._pool.shutdown()
            self._pool = None


class BackgroundHash:
    """A hash that is updated in a background thread, one update behind the caller.

    hashlib releases the interpreter lock for large blocks, so hashing runs on another core.
    """

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._task = BackgroundTask()

    def update(self, *blocks: bytes) -> None:
        """Add blocks; on return, only these can still be in memory: all earlier ones are hashed."""
        if sum(map(len, blocks)) >= _MIN_THREADED_BYTES:
            self._task.start(partial(self._add, blocks))
            return
        self._task.wait()
        self._add(blocks)

    def _add(self, blocks: tuple[bytes, ...]) -> None:
        for block in blocks:
            self._digest.update(block)

    def hexdigest(self) -> str:
        """Return the digest of all blocks as hexadecimal digits, and end the thread."""
        try:
            self._task.wait()
        finally:
            self._task.shutdown()
        return self._digest.hexdigest()
