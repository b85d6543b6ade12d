"""What holds for rows holds for labels: personal columns are hashed, bad days left out, people decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from include.contract.feed import Stage
from include.exceptions import Conflict, Misconfigured
from include.governance.ledger import Event
from include.ingestion.evolve import evolve
from include.ingestion.hashing import Mark
from include.lake.client import Lake
from include.modelling.labels import Rows
from include.settings import PrivacyGroup, Settings
from include.tracking.server import TrackingServer
from tests.support.decide import KEPT, Decider, content
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import SUITE, Row, day, orders, write_csv, write_pipeline

SOURCE = {"reader": "csv", "uri": "outcomes.csv", "partition_by": "decided"}
ROWS_SUITE = {**SUITE, "rows": SUITE["rows"][1:]}
HASHED: dict[str, Any] = {"columns": {"id": "integer", "mail": "string"}, "privacy": {"hash": ["id", "mail"]}}
MAIL = "MARKED@example.com"
KEPT_COLUMNS = ("time", "id", "amount", "kind")


Feeds = tuple[IngestRun, IngestRun]
Make = Callable[..., Feeds]


@pytest.fixture
def feeds(tmp_path: Path, lake: Lake, tracking: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make the ingestions of rows and labels of a pipeline with further sections."""
    found = Settings(privacy=PrivacyGroup(secret=SecretStr("a" * 32)))
    monkeypatch.setattr("include.ingestion.columns.settings", lambda: found)

    def make(**sections: Any) -> Feeds:
        sections = {"labels": {"source": SOURCE, "keys": ["id"]}, **sections}
        folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}", suite=ROWS_SUITE, **sections)
        rows = [{**{key: row[key] for key in KEPT_COLUMNS}, "mail": MAIL} for row in orders(0, 1)]
        write_csv(folder / "orders.csv", rows)
        return tuple(IngestRun(folder, lake, tracking, stage=stage) for stage in Stage)  # type: ignore[return-value]

    return make


def outcomes(*days: int, target: Any = 1) -> list[Row]:
    return [
        {"id": row["id"], "returned": target, "decided": f"{day(at)} 09:00:00", "mail": MAIL}
        for at in days
        for row in orders(at)
    ]


def publish(run: IngestRun, first: int, last: int) -> None:
    assert run.faults(first, last) == []
    run.publish()


def test_keys_that_are_hashed_meet_and_no_table_has_the_values(feeds: Make) -> None:
    rows, labels = feeds(**HASHED)
    write_csv(labels.folder / "outcomes.csv", outcomes(0, 1)[:-1])
    publish(rows, 0, 1)
    publish(labels, 0, 1)

    found = Rows(rows.pipeline, rows.table).frame("main", day(0), day(1), ["amount", "returned"])

    assert found.counts is not None
    assert (found.counts.matched, found.counts.waiting, found.counts.orphan) == (7, 1, 0)
    for run in (rows, labels):  # the labels do not declare `mail`
        frame = run.table.frame("main", day(0), day(1))
        assert {len(value) for name in ("id", "mail") for value in frame[name]} == {64}
        kept = run.table.schema("main")
        assert kept is not None
        assert all(Mark.of(kept.field(name)) for name in ("id", "mail"))


def test_a_column_of_labels_holds_no_values_beside_hashes(feeds: Make) -> None:
    rows, labels = feeds(**HASHED)
    write_csv(labels.folder / "outcomes.csv", outcomes(0, 1))
    publish(rows, 0, 1)
    publish(labels, 0, 0)
    contract = labels.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("- mail\n", ""))
    assert labels.pipeline.privacy.hash == ["id"]
    with pytest.raises(Misconfigured, match="the table holds hashes of column 'mail'"):
        labels.load(1)


def test_keys_are_hashed_in_both_tables_or_in_none(feeds: Make) -> None:
    rows, labels = feeds()
    write_csv(labels.folder / "outcomes.csv", outcomes(0, 1))
    publish(rows, 0, 1)
    with (rows.folder / "pipeline.yaml").open("a") as contract:
        contract.write(f"columns: {HASHED['columns']}\nprivacy: {HASHED['privacy']}\n")
    with pytest.raises(Misconfigured, match=r"table 'orders': .*the table holds the values of column 'id'"):
        labels.load(0)
    evolve(rows.pipeline.feed(), rows.table, run=rows.run)
    labels.lake.delete_branch(BRANCH)  # as `open_branch` does
    publish(labels, 0, 1)
    found = Rows(rows.pipeline, rows.table).frame("main", day(0), day(1), ["amount", "returned"])
    assert found.counts is not None
    assert found.counts.matched == 8


def test_labels_that_were_loaded_as_values_are_hashed_by_evolve(feeds: Make) -> None:
    rows, labels = feeds()
    write_csv(labels.folder / "outcomes.csv", outcomes(0, 1))
    publish(rows, 0, 1)
    publish(labels, 0, 1)
    with (rows.folder / "pipeline.yaml").open("a") as contract:
        contract.write(f"columns: {HASHED['columns']}\nprivacy: {HASHED['privacy']}\n")
    for run in (rows, labels):
        done = evolve(run.pipeline.feed(run.stage), run.table, run=run.run)
        assert sorted(done.columns) == ["id", "mail"]
        assert MAIL not in str(run.table.frame("main", day(0), day(1)).to_dict())


@pytest.mark.parametrize("key", ["drop", "hash"])
def test_a_personal_column_of_the_labels_alone_is_kept_out(feeds: Make, key: str) -> None:
    labels: dict[str, Any] = {"source": SOURCE, "keys": ["id"]}
    declared = {"columns": {"mail": "string"}} if key == "hash" else {}
    rows, outcome = feeds(labels={**labels, **declared}, privacy={key: ["mail"]})
    write_csv(rows.folder / "orders.csv", [{name: row[name] for name in KEPT_COLUMNS} for row in orders(0)])
    write_csv(outcome.folder / "outcomes.csv", outcomes(0))
    publish(rows, 0, 0)
    publish(outcome, 0, 0)
    assert MAIL not in str(outcome.table.frame("main", day(0), day(0)).to_dict())


def test_a_bad_day_of_labels_is_left_out_until_a_person_accepts_it(feeds: Make) -> None:
    rules = [{"type": "expect_column_mean_to_be_between", "kwargs": MEAN}]
    suite = {"partitions": SUITE["partitions"], "rows": rules}
    rows, labels = feeds(
        **HASHED,
        validation={"publish": "good_partitions"},
        labels={"source": SOURCE, "keys": ["id"], "suite": "outcomes.yaml"},
    )
    (labels.folder / "outcomes.yaml").write_text(str(suite))
    write_csv(labels.folder / "outcomes.csv", [*outcomes(0, target=0), *outcomes(1)])
    base, loaded = labels.lake.resolve("main"), labels.load(0, 1).commit

    result = labels.check(0, 1, loaded=loaded, base=base)
    labels.publish()

    assert (result.left_out, result.quarantine) == (str(day(1)), KEPT)
    assert list(content(labels)) == [str(day(0))]
    other = Decider(rows, "other")
    with pytest.raises(Misconfigured, match=r"is a quarantine of pipeline .*_labels'|table 'orders_labels'"):
        other.find()
    decider = Decider(labels, "one")
    decider.accept()
    assert list(content(labels)) == [str(day(0)), str(day(1))]
    assert [event for event, *_ in decider.decided()] == [Event.DATA_ACCEPTED]


def test_values_that_are_to_be_hashed_by_now_are_accepted_no_more(feeds: Make) -> None:
    rows, _ = feeds()
    suite = rows.folder / "expectations.yaml"
    suite.write_text(suite.read_text().replace("book", "pony"))
    assert rows.quarantine(rows.faults(0, 1), 0, 1) == KEPT
    with (rows.folder / "pipeline.yaml").open("a") as contract:
        contract.write(f"columns: {HASHED['columns']}\nprivacy: {HASHED['privacy']}\n")
    decider = Decider(rows, "one")
    decider.find()
    with pytest.raises(Conflict, match=r"column 'id' of '.*' is integer, and by now hash of integer"):
        decider.review()
    assert sorted(rows.lake.list_branches()) == ["main", KEPT]


MEAN = {"column": "returned", "min_value": 0, "max_value": 0.4}
