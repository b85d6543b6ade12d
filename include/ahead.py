"""Doing a few things at once that wait for a server, in their order and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def ahead(work: Callable[[Item], Done], items: Iterable[Item], at_once: int) -> Iterator[Done]:
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
