"""Making a branch visible: the one moment at which readers of the target see anything."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from include.exceptions import Absent
from include.identity import RunIdentity
from include.lake.client import Commit, Lake


@dataclass(frozen=True)
class Published:
    """Where readers are now, and whether this run changed anything."""

    commit: str
    changed: bool


def publish(
    lake: Lake,
    source: str,
    *,
    into: str,
    run: RunIdentity,
    metadata: dict[str, str] | None = None,
    delete_source: bool = True,
) -> Published:
    """Merge `source` into `into` in one step, then delete `source`.

    May be killed and run again at any line: an earlier success is found by the identity on the merge
    commit, so nothing is merged twice. Raises Conflict if both sides changed the same object, Absent if
    `source` is gone and no earlier try merged it.
    """
    names = {**run.metadata(), **(metadata or {}), "source_branch": source}
    message = f"{run.dag_id}: publish {source}"
    try:
        merged = lake.merge(source, into, message, names) or _id(earlier(lake, into, source, run))
    except Absent:
        if (merged := _id(earlier(lake, into, source, run))) is None:
            raise
    if delete_source:
        lake.delete_branch(source)
    return Published(merged or lake.commit_of(into), changed=merged is not None)


_LOOK_BACK = 500
"""Commits of the target that are searched for an earlier try's merge."""


def earlier(lake: Lake, into: str, source: str, run: RunIdentity) -> Commit | None:
    """The merge that an earlier try of this run made, if it did; the latest if it made several."""
    for commit in islice(lake.log(into), _LOOK_BACK):
        if commit.metadata.get("source_branch") == source and commit.metadata.get("run_id") == run.run_id:
            return commit
    return None


def _id(commit: Commit | None) -> str | None:
    return None if commit is None else commit.id
