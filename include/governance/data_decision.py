"""Decisions of people about quarantined data: accept it as it is, or discard it."""

from __future__ import annotations

from collections.abc import Mapping

from include.exceptions import Absent, BadData, Conflict, Misconfigured
from include.governance.ledger import Event, Ledger, LedgerEntry
from include.ingestion.agree import check_types
from include.ingestion.quarantined import Quarantined, claim, find_quarantine, release
from include.ingestion.review import Review
from include.lake.idempotency import CommitResult
from include.lake.merge import find_merge_of_run, publish
from include.lake.table import Table
from include.run_identity import RunIdentity

_EVENTS = {Event.DATA_ACCEPTED: "accept", Event.DATA_DISCARDED: "discard"}
_MAX_LOOKED_AT = 1000
"""Entries of the ledger in which the decision about a quarantine is looked for."""
_MAX_RULES = 1000
"""Characters of the failed rules on a commit."""


def look_up(
    table: Table, pipeline_name: str, branch: str, ledger: Ledger, run: RunIdentity
) -> Quarantined | None:
    """Return the quarantine to decide about; None if this run has decided about it already.

    Raises Conflict if another run has, and otherwise as `find_quarantine`.
    """
    try:
        return find_quarantine(table, pipeline_name, branch)
    except Absent:
        entry = _find(ledger, f"{branch}@")
        if entry is None:
            raise
    if entry.by != run.key:
        raise Conflict(_decided(branch, entry))
    return None


def accept(
    table: Table,
    quarantined: Quarantined,
    review: Review,
    *,
    branch: str,
    into: str,
    reason: str,
    person: str,
    metadata: Mapping[str, str],
    ledger: Ledger,
    run: RunIdentity,
) -> CommitResult:
    """Merge the branch with the reviewed days, add an entry to the ledger, and remove the quarantine.

    May be killed at any line and run again. `person` is the name of who decided, empty if it is not known.
    Raises Conflict if another decision was first, or the days have been published anew: then the quarantine
    is free for another decision.
    """
    if (entry := _find(ledger, quarantined.cause)) is None:
        claim(table, quarantined, _EVENTS[Event.DATA_ACCEPTED], person, run)
        merged = _merge(table, quarantined, branch, into, {**metadata, "reason": reason, "by": person}, run)
        details = {"commit": merged.commit, "days": review.days, "without_rows": review.without_rows}
        _append(
            ledger,
            Event.DATA_ACCEPTED,
            quarantined,
            reason=reason,
            person=person,
            run=run,
            details={**details, "rules": list(review.reasons), "report": review.link},
        )
    else:
        _check_own(quarantined, entry, Event.DATA_ACCEPTED, run)
        found = find_merge_of_run(table.lake, into, branch, run)
        merged = CommitResult(found.id if found else table.lake.resolve(into), changed=found is not None)
    table.lake.delete_branch(quarantined.branch)
    table.lake.delete_branch(branch)
    return merged


def discard(
    table: Table, quarantined: Quarantined, *, reason: str, person: str, ledger: Ledger, run: RunIdentity
) -> None:
    """Add an entry to the ledger, and remove the quarantine with its rows.

    May be killed at any line and run again. Raises Conflict if another decision was first.
    """
    if (entry := _find(ledger, quarantined.cause)) is None:
        claim(table, quarantined, _EVENTS[Event.DATA_DISCARDED], person, run)
        _append(ledger, Event.DATA_DISCARDED, quarantined, reason=reason, person=person, run=run, details={})
    else:
        _check_own(quarantined, entry, Event.DATA_DISCARDED, run)
    table.lake.delete_branch(quarantined.branch)


def rules_of(review: Review) -> str:
    """Return the failed rules of a review in one bounded text."""
    return "; ".join(review.reasons)[:_MAX_RULES]


def _merge(
    table: Table, quarantined: Quarantined, branch: str, into: str, metadata: dict[str, str], run: RunIdentity
) -> CommitResult:
    try:
        if table.lake.ref_exists(branch):
            check_types(table, branch, into, again="validate")
        return publish(table.lake, branch, into=into, run=run, metadata=metadata, delete_source=False)
    except (BadData, Conflict, Misconfigured):
        release(table, quarantined, run)
        raise


def _append(
    ledger: Ledger,
    event: Event,
    quarantined: Quarantined,
    *,
    reason: str,
    person: str,
    run: RunIdentity,
    details: dict[str, object],
) -> None:
    """Add the entry of a decision; its reason begins with who decided."""
    ledger.append(
        event,
        cause=quarantined.cause,
        reason=f"{person}: {reason}" if person else reason,
        run=run,
        details={"person": person, "quarantine": quarantined.to_json(), **details},
    )


def _find(ledger: Ledger, cause: str) -> LedgerEntry | None:
    """Return the newest decision about a quarantine, by its cause or the beginning of it."""
    entries = (entry for event in _EVENTS for entry in ledger.entries(event, limit=_MAX_LOOKED_AT))
    return max((one for one in entries if one.cause.startswith(cause)), key=lambda one: one.at, default=None)


def _check_own(quarantined: Quarantined, entry: LedgerEntry, event: Event, run: RunIdentity) -> None:
    if (entry.by, entry.event) != (run.key, event):
        raise Conflict(_decided(quarantined.branch, entry))


def _decided(branch: str, entry: LedgerEntry) -> str:
    return (
        f"{branch!r} has been decided about: {_EVENTS[entry.event]!r}, by run {entry.by!r} at "
        f"{entry.at:%Y-%m-%d %H:%M} UTC, for the reason {entry.reason!r}; nothing is left to decide"
    )
