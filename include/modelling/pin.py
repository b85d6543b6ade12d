"""Pin: fix the data version that a training learns from."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from include.contract.windows import labelled_until
from include.exceptions import Absent, Misconfigured, NotEnoughData
from include.lake.table import Table
from include.record import Record

log = logging.getLogger(__name__)


class PinResult(Record):
    """The commit to train on, the last day to learn from, and the tag that keeps the commit."""

    commit: str
    until: date
    tag: str


def pin(
    table: Table,
    ref: str,
    tag: str,
    *,
    until: date | None = None,
    label_delay: timedelta = timedelta(days=1),
) -> PinResult:
    """Resolve a ref to a commit and tag it; a tag that exists keeps its commit, even if the ref has moved.

    The last day whose labels can be known by the end of the commit's newest partition bounds `until`, and is
    its default: later days would be held out without a target. Raises Misconfigured if the ref does not
    exist, NotEnoughData if the table has no partition there, or none that old.
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
    known = labelled_until(days[-1], label_delay)
    if known < days[0]:
        raise NotEnoughData(
            f"{table.name!r} has partitions from {days[0]} to {days[-1]} at {commit}, and by "
            f"monitoring.label_delay ({label_delay.days}d) no target of them is known yet; ingest more days, "
            "or shorten the delay"
        )
    if until and until > known:
        log.info("learns up to %s instead of %s: later targets cannot be known", known, until)
    return PinResult(commit=commit, until=min(until or known, known), tag=tag)
