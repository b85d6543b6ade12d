"""Publish a branch: the merge is the only moment at which readers of the target see its changes."""

from __future__ import annotations

from collections.abc import Mapping

from include.exceptions import Absent
from include.lake.client import Commit, Lake
from include.lake.idempotency import CommitResult, find_commit_of_run
from include.lake.merge_check import check_merge
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
    """Merge `source` into `into` atomically, then delete `source`.

    May be killed at any line and run again: the merge of an earlier try is found by the run's identity in
    the metadata of the merge commit. Raises Conflict if both sides changed the same object and `strategy`
    (see `Lake.merge`) is not set, UncommittedChanges if somebody has changed `into` without a commit,
    MergeLostChange if the merge lacks a change, Absent if `source` does not exist and no earlier try merged
    it.
    """
    metadata = {**run.metadata(), **(metadata or {}), "source_branch": source}
    message = message or f"{run.dag_id}: publish {source}"
    try:
        if squash:
            metadata["source_commit"] = lake.resolve(source)
        merged = (_find_squash_of_run(lake, into, run, metadata) if squash else None) or (
            lake.merge(source, into, message, metadata, strategy=strategy, squash=squash)
            or _id(find_merge_of_run(lake, into, source, run))
        )
    except Absent:
        if (merged := _id(find_merge_of_run(lake, into, source, run))) is None:
            raise
    if merged:
        check_merge(lake, merged, strategy=strategy)
    if delete_source:
        lake.delete_branch(source)
    return CommitResult(merged or lake.resolve(into), changed=merged is not None)


def find_merge_of_run(lake: Lake, into: str, source: str, run: RunIdentity) -> Commit | None:
    """Return the latest merge of `source` into `into` that this run made; None without one."""
    return find_commit_of_run(lake, into, run, source_branch=source)


def _find_squash_of_run(lake: Lake, into: str, run: RunIdentity, metadata: Mapping[str, str]) -> str | None:
    """Return the id of this run's squash of the same commit: a squash has no parent to recognise it by."""
    source = {name: metadata[name] for name in ("source_branch", "source_commit")}
    return _id(find_commit_of_run(lake, into, run, **source))


def _id(commit: Commit | None) -> str | None:
    return None if commit is None else commit.id
