"""Conditions that sensors wait for: each function returns what it found, or None while it is not met."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from include.exceptions import Absent
from include.lake.client import Commit, Lake

Match = dict[str, Any]
"""What met a condition, as small JSON."""
_MAX_LISTED_COMMITS = 1000


def commit_changed(lake: Lake, ref: str, known_commit: str = "") -> Match | None:
    """Return the commit that a ref points to, if it is not the known one."""
    commit = lake.resolve(ref)
    return {"ref": ref, "commit": commit} if commit != known_commit else None


def object_exists(lake: Lake, ref: str, path: str) -> Match | None:
    """Return an object; on a branch, uncommitted objects count."""
    item = lake.stat(ref, path)
    return {"ref": ref, "path": item.path, "size": item.size, "checksum": item.checksum}


def prefix_has_objects(lake: Lake, ref: str, prefix: str, min_objects: int = 1) -> Match | None:
    """Return the path of the first object below a prefix, if there are at least `min_objects`."""
    items = list(islice(lake.list_objects(ref, prefix), min_objects))
    return {"ref": ref, "prefix": prefix, "path": items[0].path} if len(items) == min_objects else None


def tag_exists(lake: Lake, tag: str) -> Match | None:
    """Return a tag with the commit that it points to."""
    return {"tag": tag, "commit": lake.get_tag(tag)}


CONDITIONS: dict[str, Callable[..., Match | None]] = {
    condition.__name__: condition
    for condition in (commit_changed, object_exists, prefix_has_objects, tag_exists)
}


def evaluate_condition(lake: Lake, condition: str, **arguments: Any) -> Match | None:
    """Return what meets a condition of `CONDITIONS`, or None while it is not met.

    A missing ref, object or tag means "not met"; every other error of `Lake` is raised.

        evaluate_condition(lake, "tag_exists", tag="v1")  # {"tag": "v1", "commit": "…"} or None
    """
    try:
        return CONDITIONS[condition](lake, **arguments)
    except Absent:
        return None


def commits_since(lake: Lake, branch: str, known_commit: str) -> list[Commit]:
    """Return the commits that a branch received after a known one, oldest first; a merge is one commit.

    If the known commit is not on the branch any more, or more than 1,000 commits back, return only the newest
    commit. Raises Absent if there is no such branch.
    """
    if lake.resolve(branch) == known_commit:
        return []
    commits: list[Commit] = []
    for commit in islice(lake.log(branch, first_parent=True), _MAX_LISTED_COMMITS):
        if commit.id == known_commit:
            return commits[::-1]
        commits.append(commit)
    return commits[:1]
