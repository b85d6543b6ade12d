"""Labels come in as rows do: on a branch, checked, and published into a table of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.contract.feed import Stage
from include.exceptions import BadData, Misconfigured
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import SUITE, Row, day, orders, write_csv, write_parquet, write_pipeline

SOURCE = {"reader": "csv", "uri": "outcomes-{dt}.csv", "partition_by": "decided"}
COLUMNS = ("id", "returned", "decided")
ORDERS = ("time", "id", "amount", "kind")
ROWS_SUITE = {**SUITE, "rows": SUITE["rows"][1:]}


def outcomes(*ids: Any, at: int = 0, target: Any = 1) -> list[Row]:
    return [{"id": one, "returned": target, "decided": f"{day(at)} 09:00:00"} for one in ids]


@pytest.fixture
def labels(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    return make(tmp_path, lake, tracking)


def make(
    parent: Path, lake: Lake, tracking: TrackingServer, labels: dict[str, Any] | None = None, **changes: Any
) -> IngestRun:
    """The ingestion of a pipeline's labels; its rows have none."""
    section = {"source": SOURCE, "keys": ["id"], **(labels or {})}
    folder = write_pipeline(parent, suite=ROWS_SUITE, labels=section, **changes)
    write_csv(folder / "orders.csv", [{key: row[key] for key in ORDERS} for row in orders(0, 1)])
    return IngestRun(folder, lake, tracking, stage=Stage.LABELS)


def deliver(run: IngestRun, rows: list[Row], at: int = 0) -> None:
    write_csv(run.folder / f"outcomes-{day(at)}.csv", rows, COLUMNS)


def bring_rows(run: IngestRun) -> IngestRun:
    """Publish two days of the rows."""
    rows = replace(run, stage=Stage.INGEST)
    assert rows.faults(0, 1) == []
    rows.publish()
    return rows


def test_labels_are_published_into_a_table_of_their_own(labels: IngestRun) -> None:
    deliver(labels, outcomes(0, 1, 2))
    bring_rows(labels)
    assert labels.faults(0) == []
    labels.publish()
    assert labels.table.name == "orders_labels"
    frame = labels.table.frame("main", day(0), day(0))
    assert (frame["id"].tolist(), frame["returned"].tolist()) == ([0, 1, 2], [1, 1, 1])


def test_a_load_that_was_killed_goes_on_and_writes_nothing_twice(labels: IngestRun) -> None:
    deliver(labels, outcomes(0, 1, 2))
    assert [labels.load(0).written for _ in range(3)] == [1, 0, 0]
    before = labels.lake.resolve("main")
    assert labels.table.days("main") == []  # nothing is visible before the merge
    labels.check(0)
    labels.publish()
    labels.publish()
    assert labels.lake.resolve("main") != before
    assert labels.load(0).written == 0


def test_a_day_without_labels_is_no_fault(labels: IngestRun) -> None:
    deliver(labels, outcomes(0))
    deliver(labels, [], at=1)
    assert labels.faults(0, 1) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([{"order": 1, "returned": 1, "decided": "2024-03-01"}], "id: expect_column_to_exist (labels.keys)"),
        ([{"id": 1, "decided": "2024-03-01"}], "returned: expect_column_to_exist (model.target)"),
        (
            outcomes(1, None, 3),
            "id: expect_column_values_to_not_be_null (labels.keys) failed for 1 of 3 rows",
        ),
        (
            [*outcomes(1, 2, 1), *outcomes(1, target=0)],
            "id: expect_column_values_to_agree_on_the_target (labels.keys) failed for 3 of 4 rows",
        ),
        (
            [*outcomes(1), *outcomes(1, target=None)],
            "id: expect_column_values_to_agree_on_the_target (labels.keys) failed for 2 of 2 rows",
        ),
        (
            outcomes(1, 2, target=2),
            "returned: expect_column_values_to_be_0_or_1 (model.target) failed for 2 of 2 rows",
        ),
    ],
    ids=["no key", "no target", "key missing", "two targets", "one target missing", "another target"],
)
def test_bad_labels_are_counted_and_published_nowhere(labels: IngestRun, rows: list[Row], fault: str) -> None:
    deliver(labels, rows)
    found = labels.faults(0)
    assert [one for one in found if one.startswith(fault)], found
    assert labels.quarantine(found) == f"quarantine-{BRANCH.removeprefix('ingest-')}"
    assert labels.table.days("main") == []


def test_the_same_label_twice_is_one(labels: IngestRun) -> None:
    deliver(labels, outcomes(1, 1))
    assert labels.faults(0) == []


def test_a_target_may_be_missing_and_have_another_name(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    run = make(tmp_path, lake, tracking, {"target": "came_back"})
    write_csv(
        run.folder / f"outcomes-{day(0)}.csv",
        [
            {"id": 1, "came_back": None, "decided": f"{day(0)}"},
            {"id": 2, "came_back": 1, "decided": f"{day(0)}"},
        ],
    )
    assert run.faults(0) == []


def test_a_suite_of_the_labels_is_run(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> None:
    suite = "partitions:\n- {type: expect_column_min_to_be_between, kwargs: {column: rows, min_value: 2}}\n"
    with pytest.raises(Misconfigured, match=r"labels\.suite: .* does not exist; write it"):
        make(tmp_path / "without", lake, tracking, {"suite": "labels.yaml"}).pipeline  # noqa: B018
    run = make(tmp_path, lake, tracking, {"suite": "labels.yaml"})
    (run.folder / "labels.yaml").write_text(suite)
    deliver(run, outcomes(1))
    assert [one.startswith("rows: expect_column_min_to_be_between") for one in run.faults(0)] == [True]


def test_keys_get_the_type_that_the_rows_have(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> None:
    run = make(tmp_path, lake, tracking, columns={"id": "string"})
    bring_rows(run)
    deliver(run, outcomes(1, 2))
    assert run.faults(0) == []
    assert run.table.frame(BRANCH, day(0), day(0))["id"].tolist() == ["1", "2"]


def test_labels_may_come_before_their_rows_and_decide_what_keys_are(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    run = make(tmp_path, lake, tracking, {"columns": {"id": "string"}})
    deliver(run, outcomes(1, 2))
    assert run.faults(0) == []
    run.publish()
    rows = bring_rows(run)
    assert rows.table.frame("main", day(0), day(0))["id"].tolist() == ["0", "1", "2", "3"]


def test_a_key_of_another_type_is_refused_with_both_and_the_remedy(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    source = {"reader": "parquet", "uri": "outcomes-{dt}.parquet", "partition_by": "decided"}
    run = make(tmp_path, lake, tracking, {"source": source})
    bring_rows(run)
    write_parquet(run.folder / f"outcomes-{day(0)}.parquet", outcomes("a", "b"))
    [fault] = run.faults(0)
    assert fault.endswith(
        "column 'id' does not fit integer (string in the source) in 2 row(s), first in row 1; correct the "
        "source, or say what the column is by labels.columns.id of the contract, and run `make evolve "
        "PIPELINE=orders`"
    )


def test_tables_that_hold_a_key_of_two_kinds_are_refused(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    alone = make(tmp_path / "alone", lake, tracking, {"columns": {"id": "string"}})
    deliver(alone, outcomes(1))
    alone.load(0)
    alone.publish()
    other = make(tmp_path / "rows", lake, tracking)
    before = write_pipeline(tmp_path / "before", suite=ROWS_SUITE, labels=None)
    write_csv(before / "orders.csv", orders(0, 1))
    rows = IngestRun(before, lake, tracking)
    rows.load(0)
    rows.publish()
    deliver(other, outcomes(1))
    with pytest.raises(Misconfigured) as raised:
        other.load(0)
    assert str(raised.value) == (
        "key 'id' is string in table 'orders_labels', and integer in table 'orders': no label would find its "
        "row; declare columns.id, and run `make evolve PIPELINE=orders`"
    )


def test_rows_that_have_the_target_are_refused_unless_it_is_left_out(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    def load(place: str, **changes: Any) -> list[str]:
        run = replace(make(tmp_path / place, lake, tracking, **changes), stage=Stage.INGEST)
        write_csv(run.folder / "orders.csv", orders(0))
        run.load(0)
        return list(run.table.frame(BRANCH, day(0), day(0)).columns)

    with pytest.raises(BadData) as raised:
        load("with")
    assert str(raised.value) == (
        "'orders.csv': column 'returned' is model.target, which the section labels brings; leave it out by "
        "privacy.drop, or, if this is the better one, remove the section labels"
    )
    assert load("dropped", privacy={"drop": ["returned"]}) == list(ORDERS)
    assert load("extra", source={"extra": "drop"}) == list(ORDERS)
