"""Quarantined data as a person decides about it: found by its branch, and claimed by one decision.

A decision is claimed by a commit on the quarantine's branch. The lake orders commits, so of two decisions at
once the first one holds the quarantine, and the other finds whom it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice

from include.exceptions import Absent, Conflict, Misconfigured
from include.excerpt import nearest, quote
from include.ingestion.day_ranges import parse
from include.ingestion.quarantine import BASE, DAYS, MESSAGE, PIPELINE, PREFIX, REPORT, TABLE, find_record
from include.lake.client import Commit
from include.lake.table import Table
from include.record import Record
from include.run_identity import RunIdentity

_DECISION, _PERSON = "quarantine.decision", "quarantine.person"
_RELEASED = "released"
_MAX_NAMED = 10
_MAX_BRANCHES = 1000


class Quarantined(Record):
    """A quarantine: its branch, the commit of its record, and what the record says.

    `days` are as `day_ranges` writes them, `base` is the version that readers saw of them, `reasons` what
    failed, and `report` the page of the report, empty if the rows could not be read.
    """

    branch: str
    commit: str
    days: str
    base: str
    report: str
    reasons: str

    @property
    def cause(self) -> str:
        """What a decision is about: the branch, and what it holds."""
        return f"{self.branch}@{self.commit}"

    @property
    def all_days(self) -> tuple[date, ...]:
        """The days."""
        return parse(self.days)


def find_quarantine(table: Table, pipeline_name: str, branch: str) -> Quarantined:
    """Return a quarantine of a pipeline's table by its branch.

    Raises Absent if there is no such branch, Misconfigured if it is not a quarantine, or that of another
    pipeline or table. The messages name the quarantines that there are.
    """
    if not branch.startswith(PREFIX):
        raise Misconfigured(f"{quote(branch)} is not a quarantine; {_known(table, pipeline_name, branch)}")
    if not table.lake.ref_exists(branch):
        raise Absent(f"there is no quarantine {quote(branch)}; {_known(table, pipeline_name, branch)}")
    record = find_record(table.lake.log(branch))
    if record is None:
        raise Misconfigured(
            f"{quote(branch)} has no record of a quarantine in its commits; name a branch that `quarantine` "
            f"or `validate` has made: {_known(table, pipeline_name, branch)}"
        )
    owner = record.metadata.get(PIPELINE), record.metadata.get(TABLE)
    if owner != (pipeline_name, table.name):
        raise Misconfigured(
            f"{quote(branch)} is a quarantine of pipeline {quote(owner[0])}, table {quote(owner[1])}, not of "
            f"{pipeline_name!r}, table {table.name!r}; {_known(table, pipeline_name, branch)}"
        )
    return Quarantined(
        branch=branch,
        commit=record.id,
        days=record.metadata[DAYS],
        base=record.metadata[BASE],
        report=record.metadata[REPORT],
        reasons=record.message.removeprefix(MESSAGE),
    )


def claim(table: Table, quarantined: Quarantined, decision: str, person: str, run: RunIdentity) -> None:
    """Take a quarantine for the decision of a run; does nothing if it is that run's already.

    Raises Conflict if it is another run's, or was replaced or removed meanwhile.
    """
    lake, branch = table.lake, quarantined.branch
    try:
        holder = _holder(table, quarantined)
        if holder is None:
            metadata = {**run.metadata(), _DECISION: decision, _PERSON: person}
            lake.commit(branch, f"decided: {decision}", metadata, allow_empty=True)
            holder = _holder(table, quarantined)
    except Absent as absent:
        raise Conflict(_gone(quarantined)) from absent
    if holder is not None and _run_of(holder) != _run_of_identity(run):
        person = holder.metadata[_PERSON]
        raise Conflict(
            f"{branch!r} has been decided about: {holder.metadata[_DECISION]!r}, by run "
            f"{holder.metadata['run_id']!r}{f' of {person!r}' if person else ''}; if that run is red, clear "
            "it, or wait until it ends"
        )


def release(table: Table, quarantined: Quarantined, run: RunIdentity) -> None:
    """Give a quarantine back, so that another decision can be taken."""
    metadata = {**run.metadata(), _DECISION: _RELEASED, _PERSON: ""}
    table.lake.commit(quarantined.branch, _RELEASED, metadata, allow_empty=True)


def _holder(table: Table, quarantined: Quarantined) -> Commit | None:
    """Return the commit of the decision that holds a quarantine."""
    holder: Commit | None = None
    for commit in reversed(list(_since_record(table, quarantined))):
        decision = commit.metadata.get(_DECISION)
        if holder is None and decision not in (None, _RELEASED):
            holder = commit
        elif holder is not None and decision == _RELEASED and _run_of(commit) == _run_of(holder):
            holder = None
    return holder


def _since_record(table: Table, quarantined: Quarantined) -> Iterator[Commit]:
    """Yield the commits on top of a quarantine's record, newest first; raises Conflict if it has another."""
    for commit in table.lake.log(quarantined.branch):
        if commit.id == quarantined.commit:
            return
        if DAYS in commit.metadata:
            break
        yield commit
    raise Conflict(_gone(quarantined))


def _run_of(commit: Commit) -> tuple[str | None, str | None]:
    return commit.metadata.get("dag_id"), commit.metadata.get("run_id")


def _run_of_identity(run: RunIdentity) -> tuple[str, str]:
    return run.dag_id, run.run_id


def _gone(quarantined: Quarantined) -> str:
    return (
        f"{quarantined.branch!r} was decided about, removed, or quarantined anew since this run began; look "
        "at the ledger, and start another run if it is still there"
    )


def _known(table: Table, pipeline_name: str, branch: str) -> str:
    """Return the quarantines of a pipeline, for a message."""
    names = [
        name
        for name in islice(table.lake.list_branches(PREFIX), _MAX_BRANCHES)
        if (record := find_record(table.lake.log(name)))
        and (record.metadata.get(PIPELINE), record.metadata.get(TABLE)) == (pipeline_name, table.name)
    ]
    if not names:
        return f"{pipeline_name!r} has none in {table.lake.repository!r}: name one once there is one"
    more = ", …" if len(names) > _MAX_NAMED else ""
    return f"{nearest(branch, names)}name one of: {', '.join(names[-_MAX_NAMED:])}{more}"
