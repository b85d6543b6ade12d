"""Making a branch visible: the one moment at which readers of the target see anything."""

from __future__ import annotations

from collections.abc import Mapping

from include.exceptions import Absent
from include.lake import idempotency
from include.lake.client import Commit, Lake
from include.lake.idempotency import CommitResult
from include.run_identity import RunIdentity


def publish(
    lake: Lake,
    source: str,
    *,
    into: str,
    run: RunIdentity,
    metadata: Mapping[str, str] | None = None,
    message: str = "",
    delete_source: bool = True,
    strategy: str = "",
    squash: bool = False,
) -> CommitResult:
    """Merge `source` into `into` in one step, then delete `source`.

    May be killed and run again at any line: an earlier success is found by the identity on the merge
    commit, so nothing is merged twice. Raises Conflict if both sides changed the same object and no
    `strategy` says which counts, Absent if `source` is gone and no earlier try merged it.
    """
    names = {**run.metadata(), **(metadata or {}), "source_branch": source}
    message = message or f"{run.dag_id}: publish {source}"
    try:
        if squash:
            names["source_commit"] = lake.resolve(source)
        merged = (_squashed(lake, into, run, names) if squash else None) or (
            lake.merge(source, into, message, names, strategy=strategy, squash=squash)
            or _id(find_merge_of_run(lake, into, source, run))
        )
    except Absent:
        if (merged := _id(find_merge_of_run(lake, into, source, run))) is None:
            raise
    if delete_source:
        lake.delete_branch(source)
    return CommitResult(merged or lake.resolve(into), changed=merged is not None)


def find_merge_of_run(lake: Lake, into: str, source: str, run: RunIdentity) -> Commit | None:
    """The merge that an earlier try of this run made, if it did; the latest if it made several."""
    return idempotency.find_commit_of_run(lake, into, run, source_branch=source)


def _squashed(lake: Lake, into: str, run: RunIdentity, names: dict[str, str]) -> str | None:
    """This run's squash of the same commit; to the server nothing tells that it was merged already."""
    marks = {name: names[name] for name in ("source_branch", "source_commit")}
    return _id(idempotency.find_commit_of_run(lake, into, run, **marks))


def _id(commit: Commit | None) -> str | None:
    return None if commit is None else commit.id
