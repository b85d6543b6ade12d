"""What people decide about quarantined data: once, with a reason, and whatever is killed on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from include.exceptions import Absent, BadData, Conflict, Misconfigured
from include.governance.ledger import Event
from include.ingestion import quarantined as claims
from include.lake.client import Lake
from include.lake.idempotency import CommitResult
from include.tracking.names import ledger_runs
from include.tracking.server import TrackingServer
from tests.support.death import killed_after
from tests.support.decide import KEPT, Decider, content
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import orders, write_csv, write_pipeline

PONY = "kind: expect_column_values_to_be_in_set (value_set=['book', 'toy']) failed for 4 of 8 rows"


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    """A pipeline with two days in quarantine, of which the second has a kind that no rule allows."""
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}")
    run = IngestRun(folder, lake, tracking)
    write_csv(folder / "orders.csv", [*orders(0), *({**row, "kind": "pony"} for row in orders(1))])
    assert run.quarantine(run.faults(0, 1), 0, 1) == KEPT
    return run


BOTH = {"2024-03-01": [0, 1, 2, 3], "2024-03-02": [100, 101, 102, 103]}


def test_accepted_days_are_published_as_they_are_with_reason_person_and_rules(shop: IngestRun) -> None:
    decider = Decider(shop, "one")
    found = decider.find()
    assert found
    assert (found.days, found.reasons[: len(PONY)]) == ("2024-03-01_2024-03-02", PONY)
    reviewed = decider.review()
    assert (reviewed.passed, reviewed.days, reviewed.rows) == (False, found.days, 8)
    assert content(shop) == {}
    merged = decider.publish()
    assert content(shop) == BOTH
    commit = shop.lake.get_commit("main")
    assert (commit.id, merged.changed) == (merged.commit, True)
    said = {name: commit.metadata[name] for name in ("reason", "by", "failed_rules", "run_id")}
    rule = f"{PONY} (severity critical)"
    assert said == {"reason": "a pony is fine", "by": "ada", "failed_rules": rule, "run_id": "one"}
    assert list(shop.lake.list_branches()) == ["main"]
    assert decider.decided() == [(Event.DATA_ACCEPTED, "ada: a pony is fine", decider.run.key)]


def test_the_ledger_keeps_what_was_accepted(shop: IngestRun) -> None:
    decider = Decider(shop, "one")
    merged = decider.accept()
    assert decider.found
    runs = ledger_runs(shop.tracking, shop.pipeline.name)
    entry = runs.attempts(f"data accepted/{KEPT}@{decider.found.commit}").finished
    assert entry
    details = json.loads(entry.download_artifact("details.json"))
    assert (details["person"], details["commit"], len(details["rules"])) == ("ada", merged.commit, 1)
    assert details["quarantine"] == decider.found.to_json()


def test_discarded_data_is_removed_with_a_reason(shop: IngestRun) -> None:
    decider = Decider(shop, "one")
    decider.find()
    decider.discard()
    assert list(shop.lake.list_branches()) == ["main"]
    assert content(shop) == {}
    assert decider.decided() == [(Event.DATA_DISCARDED, "bob: a test feed", decider.run.key)]
    decider.discard()
    assert decider.find() is None
    assert len(decider.decided()) == 1


@pytest.mark.parametrize("effects", range(16))
def test_an_acceptance_that_is_killed_is_completed_by_the_next_try(shop: IngestRun, effects: int) -> None:
    decider = Decider(shop, "one")
    with killed_after(effects) as done:
        decider.accept()
    if decider.reviewed is None:
        decider.accept()
    decider.publish()
    assert content(shop) == BOTH
    assert list(shop.lake.list_branches()) == ["main"]
    merges = [one for one in shop.lake.log("main") if one.metadata.get("by") == "ada"]
    assert (len(merges), len(decider.decided())) == (1, 1), done


@pytest.mark.parametrize("effects", range(6))
def test_a_removal_that_is_killed_is_completed_by_the_next_try(shop: IngestRun, effects: int) -> None:
    decider = Decider(shop, "one")
    decider.find()
    with killed_after(effects):
        decider.discard()
    decider.discard()
    assert (list(shop.lake.list_branches()), len(decider.decided())) == (["main"], 1)


def test_of_two_decisions_one_after_the_other_the_first_counts(shop: IngestRun) -> None:
    first, second, late = Decider(shop, "one"), Decider(shop, "two"), Decider(shop, "three")
    second.find()
    first.accept()
    with pytest.raises(
        Conflict, match=r"'quarantine-test' has been decided about: 'accept', by run '\S+one'"
    ):
        second.discard()
    with pytest.raises(Conflict, match="for the reason 'ada: a pony is fine'; nothing is left to decide"):
        late.find()
    assert content(shop) == BOTH
    assert len(first.decided()) == 1


@pytest.mark.parametrize("accepts_first", [True, False])
def test_of_two_decisions_at_once_one_wins_and_the_other_is_told(
    shop: IngestRun, monkeypatch: pytest.MonkeyPatch, accepts_first: bool
) -> None:
    """Both have looked before either claims."""
    one, two = Decider(shop, "one"), Decider(shop, "two")
    one.find(), one.review(), two.find()
    first, second = (one.publish, two.discard) if accepts_first else (two.discard, one.publish)
    holder = claims._holder
    looked: list[int] = []

    def late(*given: Any) -> Any:
        found = holder(*given)
        if not looked:
            looked.append(1)
            with killed_after(1):  # the other claims, and has not finished when this one goes on
                first()
        return found

    monkeypatch.setattr(claims, "_holder", late)
    with pytest.raises(Conflict, match="if that run is red, clear it, or wait until it ends"):
        second()
    monkeypatch.undo()
    assert one.decided() == []
    first()
    assert content(shop) == (BOTH if accepts_first else {})
    assert len(one.decided()) == 1


def test_a_quarantine_that_is_made_anew_is_another_one(shop: IngestRun) -> None:
    decider = Decider(shop, "one")
    decider.find()
    decider.review()
    write_csv(shop.folder / "orders.csv", [{**row, "kind": "pony"} for row in orders(0)])
    shop.quarantine(shop.faults(0), 0)
    with pytest.raises(
        Conflict, match="was decided about, removed, or quarantined anew since this run began"
    ):
        decider.publish()
    assert content(shop) == {}
    later = Decider(shop, "two")
    later.accept()
    assert content(shop) == {"2024-03-01": [0, 1, 2, 3]}


def test_days_that_were_published_anew_with_other_rows_are_refused(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(1, count=3))
    shop.load(1)
    shop.publish()
    decider = Decider(shop, "one")
    decider.find()
    with pytest.raises(
        Conflict, match=r"1 day\(s\) of 'quarantine-test' have been published with other rows"
    ):
        decider.review()
    assert content(shop) == {"2024-03-02": [100, 101, 102]}
    decider.discard()


def test_days_that_were_published_with_the_same_rows_are_no_change(shop: IngestRun) -> None:
    shop.load(0, 1)
    shop.publish()
    head = shop.lake.resolve("main")
    decider = Decider(shop, "one")
    assert decider.accept() == CommitResult(head, changed=False)
    assert decider.publish() == CommitResult(head, changed=False)
    assert (len(decider.decided()), list(shop.lake.list_branches())) == (1, ["main"])


def test_a_conflict_at_the_last_moment_leaves_the_quarantine_free(shop: IngestRun) -> None:
    decider = Decider(shop, "one")
    decider.find()
    decider.review()
    write_csv(shop.folder / "orders.csv", orders(1, count=3))
    shop.load(1)
    shop.publish()
    with pytest.raises(Conflict):
        decider.publish()
    assert decider.decided() == []
    other = Decider(shop, "two")
    other.find()
    other.discard()
    assert content(shop) == {"2024-03-02": [100, 101, 102]}


@pytest.mark.parametrize(
    ("branch", "error", "message"),
    [
        ("main", Misconfigured, "'main' is not a quarantine; name one of: quarantine-test"),
        ("quarantine-tset", Absent, "no quarantine 'quarantine-tset'; did you mean 'quarantine-test'"),
        (
            "quarantine-mine",
            Misconfigured,
            "has no record of a quarantine in its commits; name a branch that",
        ),
    ],
)
def test_what_is_no_quarantine_is_refused_with_those_that_there_are(
    shop: IngestRun, branch: str, error: type[Exception], message: str
) -> None:
    shop.lake.create_branch("quarantine-mine", "main")
    with pytest.raises(error, match=message):
        Decider(shop, "one").find(branch)


def test_the_quarantine_of_another_pipeline_is_refused(shop: IngestRun, tmp_path: Path) -> None:
    other = IngestRun(write_pipeline(tmp_path, "others"), shop.lake, shop.tracking)
    with pytest.raises(
        Misconfigured, match=r"is a quarantine of pipeline 'orders_\w+', table 'orders', not of"
    ):
        Decider(other, "one").find()
    with pytest.raises(Absent, match="'others' has none in"):
        Decider(other, "one").find("quarantine-nothing")


def test_a_failed_load_leaves_a_quarantine_that_nobody_can_accept(shop: IngestRun) -> None:
    from include.ingestion.quarantine import quarantine

    shop.lake.delete_branch(KEPT)
    shop.lake.create_branch(BRANCH, "main")
    quarantine(shop.ingestion(0, 1), reasons=["'orders.csv' is empty"])
    decider = Decider(shop, "one")
    decider.find()
    with pytest.raises(BadData, match=r"its rows could not be read \('orders.csv' is empty\); correct the"):
        decider.review()
