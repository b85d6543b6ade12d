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
from include.lake.client import Lake
from include.modelling.labels import Rows
from include.settings import PrivacyGroup, Settings
from include.tracking.server import TrackingServer
from tests.support.decide import KEPT, Decider, content
from tests.support.ingest import IngestRun
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
