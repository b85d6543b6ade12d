"""Pin: fix the data version that a training learns from."""

from __future__ import annotations

from datetime import date

from include.exceptions import Absent, Misconfigured, NotEnoughData
from include.lake.table import Table
from include.record import Record


class PinResult(Record):
    """The commit to train on, the last day to learn from, and the tag that keeps the commit."""

    commit: str
    until: date
    tag: str


def pin(table: Table, ref: str, tag: str, *, until: date | None = None) -> PinResult:
    """Resolve a ref to a commit and tag it; a tag that exists keeps its commit, even if the ref has moved.

    The newest partition of the commit bounds `until` and is its default. Raises Misconfigured if the ref does
    not exist, NotEnoughData if the table has no partition there.
    """
    try:
        commit = table.lake.create_tag(tag, ref)
    except Absent as error:
        raise Misconfigured(
            f"ref {ref!r} does not exist; give a branch, tag or commit of {table.lake.repository!r}"
        ) from error
    days = table.days(commit)
    if not days:
        raise NotEnoughData(f"{table.name!r} has no partition at {commit}; run the pipeline's ingest first")
    return PinResult(commit=commit, until=min(until or days[-1], days[-1]), tag=tag)
