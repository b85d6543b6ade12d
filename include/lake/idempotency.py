"""Commits that a task makes once, however often it is killed and tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from include.lake.client import Commit, Lake
from include.run_identity import RunIdentity

_LOOK_BACK = 500
"""Commits of the branch that are searched for what an earlier try made."""


@dataclass(frozen=True)
class CommitResult:
    """The commit that a step made, or with `changed` false the one that was there already."""

    commit: str
    changed: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def commit_once(
    lake: Lake,
    branch: str,
    step: str,
    act: Callable[[dict[str, str]], str | None],
    *,
    run: RunIdentity,
    metadata: Mapping[str, str] | None = None,
    look_first: bool = True,
) -> CommitResult:
    """Let `act` make its commit on a branch unless an earlier try of this step of the run did.

    `act` takes the metadata that the commit has to carry, and returns the commit, or None where there was
    nothing to do. `step` names the step within the run. Without `look_first` it acts even so: for what does
    nothing the second time by itself, and has more to do when a person runs it again.
    """
    if look_first and run.try_number > 1 and (done := find_commit_of_run(lake, branch, run, step=step)):
        return CommitResult(done.id, changed=True)
    if made := act({**run.metadata(), **(metadata or {}), "step": step}):
        return CommitResult(made, changed=True)
    done = find_commit_of_run(lake, branch, run, step=step)
    return CommitResult(done.id if done else lake.resolve(branch), changed=done is not None)


def find_commit_of_run(lake: Lake, branch: str, run: RunIdentity, **marks: str) -> Commit | None:
    """The latest commit on a branch that carries this run's name and these marks in its metadata."""
    wanted = {"dag_id": run.dag_id, "run_id": run.run_id, **marks}.items()
    return next(
        (found for found in islice(lake.log(branch), _LOOK_BACK) if wanted <= found.metadata.items()), None
    )
