"""Uncommitted changes of others: a lake refuses to merge into, or to revert on, a branch that has some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from include.exceptions import MillraceError, UncommittedChanges
from include.excerpt import quote

if TYPE_CHECKING:
    from include.lake.client import Lake

_MAX_PATHS = 5
"""Paths that a message names."""


@contextmanager
def naming_changes(lake: Lake, branch: str, action: str) -> Iterator[None]:
    """Let a refused action name the first uncommitted changes of its branch, and what to do with them.

    lakeFS says only that the branch is "dirty". Without the permission to list the changes, its error stays.
    """
    try:
        yield
    except UncommittedChanges as refused:
        paths: list[str] = []
        with suppress(MillraceError):
            paths = [change.path for change in islice(lake.uncommitted(branch), _MAX_PATHS + 1)]
        if not paths:
            raise
        raise UncommittedChanges(_message(lake, branch, action, paths)) from refused


def _message(lake: Lake, branch: str, action: str, paths: list[str]) -> str:
    shown = ", ".join(map(quote, paths[:_MAX_PATHS])) + (" and more" if len(paths) > _MAX_PATHS else "")
    return (
        f"{action} in repository {lake.repository!r} at {lake.connection.endpoint!r} is refused: branch "
        f"{branch!r} has uncommitted changes of {shown}; commit or reset them on {branch!r}, then clear this "
        "task"
    )
