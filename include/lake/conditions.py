"""What may be waited for in the lake: each look says what it found, or None while it is not there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from include.exceptions import Absent
from include.lake.client import Commit, Lake

Found = dict[str, Any]


def commit_changed(lake: Lake, ref: str, known: str = "") -> Found | None:
    """A commit other than the known one that a ref stands for."""
    commit = lake.resolve(ref)
    return {"ref": ref, "commit": commit} if commit != known else None


def object_exists(lake: Lake, ref: str, path: str) -> Found | None:
    """An object, committed or not where the ref is a branch."""
    found = lake.stat(ref, path)
    return {"ref": ref, "path": found.path, "size": found.size, "checksum": found.checksum}


def prefix_has_objects(lake: Lake, ref: str, prefix: str, at_least: int = 1) -> Found | None:
    """Some objects below a prefix; `path` is the first."""
    found = list(islice(lake.list(ref, prefix), at_least))
    return {"ref": ref, "prefix": prefix, "path": found[0].path} if len(found) == at_least else None


def tag_exists(lake: Lake, tag: str) -> Found | None:
    """A tag, with the commit that it stands for."""
    return {"tag": tag, "commit": lake.get_tag(tag)}


CONDITIONS: dict[str, Callable[..., Found | None]] = {
    look.__name__: look for look in (commit_changed, object_exists, prefix_has_objects, tag_exists)
}


def check(lake: Lake, name: str, **arguments: Any) -> Found | None:
    """What one of the looks finds; what is absent is not there yet. Raises all else that a `Lake` raises."""
    try:
        return CONDITIONS[name](lake, **arguments)
    except Absent:
        return None


_LONGEST = 1000
"""Commits between two looks at a branch that are told one by one."""


def commits_since(lake: Lake, branch: str, known: str) -> list[Commit]:
    """The commits that a branch got after a known one, oldest first; of a merge the merge alone.

    Where the known one is not on the branch any more, or too far back, the newest stands for all. Raises
    Absent if there is no such branch.
    """
    if lake.resolve(branch) == known:
        return []
    found: list[Commit] = []
    for commit in islice(lake.log(branch, first_parent=True), _LONGEST):
        if commit.id == known:
            return found[::-1]
        found.append(commit)
    return found[:1]
