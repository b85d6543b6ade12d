"""Commits that a task makes exactly once, however often it is killed and retried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from include.lake.client import Commit, Lake
from include.run_identity import RunIdentity

_MAX_SEARCHED_COMMITS = 500
"""Latest commits of a branch that are searched for the commit of an earlier try."""


@dataclass(frozen=True)
class CommitResult:
    """The commit of a step; `changed` is false if the step had nothing to commit."""

    commit: str
    changed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the record as small JSON, as operators return it."""
        return asdict(self)


def commit_once(
    lake: Lake,
    branch: str,
    step: str,
    make_commit: Callable[[dict[str, str]], str | None],
    *,
    run: RunIdentity,
    metadata: Mapping[str, str] | None = None,
    search_first: bool = True,
) -> CommitResult:
    """Run `make_commit` at most once per step: return the commit an earlier try made, else the new one.

    `make_commit` takes the metadata that the commit must carry and returns the commit's id, or None if there
    is nothing to commit. `step` names the step within the run.

    With `search_first` false, `make_commit` runs on every try. Use it for operations that have nothing to
    commit the second time, and that should commit new changes when a person clears the task.

        commit_once(lake, "main", "load", lambda metadata: lake.commit("main", "load", metadata), run=run)
    """
    if search_first and run.try_number > 1 and (earlier := find_commit_of_run(lake, branch, run, step=step)):
        return CommitResult(earlier.id, changed=True)
    if commit := make_commit({**run.metadata(), **(metadata or {}), "step": step}):
        return CommitResult(commit, changed=True)
    earlier = find_commit_of_run(lake, branch, run, step=step)
    return CommitResult(earlier.id if earlier else lake.resolve(branch), changed=earlier is not None)


def find_commit_of_run(lake: Lake, branch: str, run: RunIdentity, **metadata: str) -> Commit | None:
    """Return the latest commit on a branch that has this run's ids and this metadata; None without one."""
    expected = {"dag_id": run.dag_id, "run_id": run.run_id, **metadata}.items()
    commits = islice(lake.log(branch), _MAX_SEARCHED_COMMITS)
    return next((commit for commit in commits if expected <= commit.metadata.items()), None)
