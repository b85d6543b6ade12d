"""Check that a merge holds what both sides changed.

lakeFS 1.84 can merge a conflict silently, and drop one side of it, if the next path of the merge base has the
content of one side. A check costs three requests if the target has not moved since the branch was created,
otherwise one more for each thousand paths that either side changed. Drop once a lakeFS refuses such a merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.exceptions import MergeLostChange
from include.lake.client import Lake


def check_merge(lake: Lake, merge: str, *, strategy: str = "") -> None:
    """Raise MergeLostChange, with the first path, if a merge commit lacks a change of one of its sides.

    A squashed merge names its source in its metadata as `source_commit`. `strategy` is the one of the merge:
    with `dest-wins`, the target's side of a conflict is right, with `source-wins` the source's.
    """
    commit = lake.get_commit(merge)
    target = commit.parents[0]
    source = commit.parents[1] if len(commit.parents) > 1 else commit.metadata["source_commit"]
    base = lake.merge_base(source, target)
    lost = (
        next(_differing(lake, merge, source), None)
        if base == target
        else _find_lost(lake, merge, base, target, source, strategy)
    )
    if lost is not None:
        raise MergeLostChange(
            f"merge {merge!r} in repository {lake.repository!r} lacks a change of {lost!r}: the lake merged "
            f"{source!r} into {target!r} without one side of a conflict; revert the merge, make both sides "
            "agree on the path (or choose a strategy) and run the step again from its start"
        )


def _find_lost(lake: Lake, merge: str, base: str, target: str, source: str, strategy: str) -> str | None:
    changed = list(_differing(lake, base, source))
    both = list(_shared(changed, _differing(lake, base, target)))
    lost = _shared(changed, _differing(lake, merge, source))
    if strategy == "dest-wins":
        decided = set(both)
        lost = (path for path in lost if path not in decided)
    # Without a strategy a conflict is refused, so if it was merged, then without one of its sides.
    merged = iter(()) if strategy else _shared(both, _differing(lake, target, source))
    return min((path for path in (next(lost, None), next(merged, None)) if path is not None), default=None)


def _differing(lake: Lake, left: str, right: str) -> Iterator[str]:
    """Yield the paths at which two commits differ, in order; requests begin with the first one."""
    for change in lake.diff(left, right, three_dot=False):
        yield change.path


def _shared(left: Iterable[str], right: Iterable[str]) -> Iterator[str]:
    """Yield what both sorted sides have; neither is read further than the shorter one needs."""
    others = iter(right)
    other: str | None = ""
    for path in left:
        while other is not None and other < path:
            other = next(others, None)
        if other is None:
            return
        if other == path:
            yield path
