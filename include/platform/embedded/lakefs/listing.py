"""Listing with a delimiter: what lies below a common prefix is shown as that prefix, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

LAST = "\U0010ffff" * 257
"""Sorts behind whatever a path, of 1,024 bytes at most, can go on with."""


class _Named(Protocol):
    @property
    def path(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def after(
    scan: Callable[[str], Iterator[Item]], prefix: str, delimiter: str, start: str
) -> Iterator[Item | str]:
    """Items below `prefix` behind `start`, those below a common prefix as that prefix.

    `scan(path)` reads from a path on; it is called again behind each common prefix, so the items below one
    are never read.
    """
    begin = max(prefix, start)
    while True:
        for item in scan(begin):
            if item.path <= start and start:
                continue
            folder = _folder(item.path, prefix, delimiter)
            if folder is None:
                yield item
                continue
            if folder != start:  # as lakeFS: a start inside of a folder shows the folder
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
