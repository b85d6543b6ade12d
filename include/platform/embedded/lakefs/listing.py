"""Listing with a delimiter, which groups all items below a common prefix into that prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Protocol, TypeVar

LAST = "\U0010ffff" * 257
"""A suffix that sorts after every continuation of a path, which has at most 1,024 bytes."""


class _Named(Protocol):
    @property
    def path(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def below(items: Iterator[Item], prefix: str) -> Iterator[Item]:
    """Yield items that are in order up to the first that does not begin with a prefix."""
    return takewhile(lambda item: item.path.startswith(prefix), items)


def after(
    scan: Callable[[str], Iterator[Item]], prefix: str, delimiter: str, start: str
) -> Iterator[Item | str]:
    """Yield items that begin with `prefix` and follow `start`, grouped by common prefix.

    `scan(path)` reads from a path on. It is called again after each common prefix, so the items below one
    are not read.
    """
    begin = max(prefix, start)
    while True:
        for item in below(scan(begin), prefix):
            if item.path <= start and start:
                continue
            folder = _folder(item.path, prefix, delimiter)
            if folder is None:
                yield item
                continue
            if folder != start:  # as in lakeFS, a start inside of a folder lists the folder
                yield folder
            begin = folder + LAST
            break
        else:
            return


def _folder(path: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    end = path.find(delimiter, len(prefix))
    return None if end < 0 else path[: end + len(delimiter)]
