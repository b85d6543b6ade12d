"""Decisions, once each, in their order."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from include.governance.ledger import Event, Ledger
from include.run_identity import RunIdentity
from include.tracking.names import ledger_runs
from include.tracking.server import TrackingServer
from tests.support.death import killed_after

RUN = RunIdentity(dag_id="orders.train", run_id="r1")


@pytest.fixture
def name() -> str:
    """A pipeline of the test's own."""
    return f"orders_{uuid4().hex}"


@pytest.fixture
def ledger(tracking: TrackingServer, name: str) -> Ledger:
    return Ledger(ledger_runs(tracking, name))


def test_a_line_tells_what_was_decided_why_by_whom_and_when(ledger: Ledger) -> None:
    ledger.append(Event.PROMOTED, cause=RUN.key, reason="requested by hand", run=RUN, version=3)
    [entry] = ledger.entries()
    assert datetime.now(UTC) - entry.at < timedelta(minutes=1)
    assert {**asdict(entry), "at": None} == {
        "event": Event.PROMOTED,
        "reason": "requested by hand",
        "version": 3,
        "cause": "orders.train/r1",
        "by": "orders.train/r1",
        "at": None,
    }


def test_the_same_cause_has_one_line_of_an_event_and_the_first_counts(ledger: Ledger) -> None:
    for reason in ("first", "second"):
        ledger.append(Event.REJECTED, cause="c", reason=reason, run=RUN)
    ledger.append(Event.PROMOTED, cause="c", reason="other event", run=RUN)
    ledger.append(Event.REJECTED, cause="d", reason="other cause", run=RUN)
    assert [entry.reason for entry in ledger.entries()] == ["other cause", "other event", "first"]
    assert (ledger.has(Event.REJECTED, "c"), ledger.has(Event.RETRAIN_DECIDED, "c")) == (True, False)


def test_lines_are_newest_first_by_event_and_as_many_as_asked_for(ledger: Ledger) -> None:
    for number in range(4):
        event = Event.RETRAIN_HELD if number % 2 else Event.RETRAIN_DECIDED
        ledger.append(event, cause=f"{number}", reason=f"{number}", run=RUN)
    assert [entry.cause for entry in ledger.entries()] == ["3", "2", "1", "0"]
    assert [entry.cause for entry in ledger.entries(Event.RETRAIN_HELD)] == ["3", "1"]
    assert [entry.cause for entry in ledger.entries(limit=2)] == ["3", "2"]


def test_a_line_may_have_no_version_and_details(ledger: Ledger, tracking: TrackingServer, name: str) -> None:
    ledger.append(Event.REJECTED, cause="c", reason="x", run=RUN, details={"candidate": 0.5})
    [entry] = ledger.entries()
    found = ledger_runs(tracking, name)
    run = found.attempts("rejected/c").finished
    assert entry.version is None
    assert run is not None
    assert json.loads(run.download_artifact("details.json")) == {"candidate": 0.5}


@pytest.mark.parametrize("effects", [1, 2, 3])
def test_a_line_that_was_torn_counts_only_once_it_is_whole(ledger: Ledger, effects: int) -> None:
    with killed_after(effects) as done:
        ledger.append(Event.REJECTED, cause="c", reason="x", run=RUN, details={})
    assert len(done) == effects
    ledger.append(Event.REJECTED, cause="c", reason="x", run=RUN, details={})
    assert [entry.cause for entry in ledger.entries()] == ["c"]
