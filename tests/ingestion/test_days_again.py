"""Days that are read again, and days that never come."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from include.exceptions import FileMissing
from include.ingestion.day_ranges import days_between, parse, written
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, orders, write_csv, write_pipeline

KEPT = {f"{day(number)}": [100 * number + hour for hour in range(4)] for number in range(4)}


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    """A pipeline with a file a day; the first three days are published."""
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}", source={"uri": "{dt}.csv"})
    run = IngestRun(folder, lake, tracking)
    deliver(run, 0, 1, 2)
    run.load(0, 2)
    run.publish()
    deliver(run, 3)
    return run


def deliver(shop: IngestRun, *days: int, count: int = 4) -> None:
    for number in days:
        write_csv(file(shop, number), orders(number, count=count))


def file(shop: IngestRun, number: int) -> Path:
    return shop.folder / f"{day(number)}.csv"


def content(shop: IngestRun, ref: str) -> dict[str, list[int]]:
    return {str(one): rows["id"].to_pylist() for one, rows in shop.table.partitions(ref, day(0), day(99))}


def set_source(shop: IngestRun, line: str) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("source:", f"source:\n  {line}"))


def test_a_day_that_has_changed_is_replaced_and_the_others_cost_reading_only(shop: IngestRun) -> None:
    deliver(shop, 1, count=3)
    loaded = shop.load(0, 3, new_from=3)
    assert (loaded.written, loaded.rows) == (2, 15)
    assert shop.check(0, 3, new_from=3).numbers["partitions"] == 2
    shop.publish()
    assert content(shop, "main") == {**KEPT, "2024-03-02": [100, 101, 102]}


def test_without_a_change_there_is_no_commit(shop: IngestRun) -> None:
    shop.load(3)
    shop.publish()
    head = shop.lake.resolve("main")
    assert shop.load(0, 3, new_from=3).written == 0
    assert shop.check(0, 3, new_from=3).numbers["partitions"] == 1
    shop.publish()
    assert shop.lake.resolve("main") == head


@pytest.mark.parametrize("gone", ["file", "rows"])
def test_an_old_day_that_the_source_has_no_longer_keeps_its_rows(shop: IngestRun, gone: str) -> None:
    if gone == "file":
        file(shop, 1).unlink()
    else:
        write_csv(file(shop, 1), [])
    loaded = shop.load(0, 3, new_from=3)
    assert (loaded.written, loaded.missing, content(shop, BRANCH)) == (1, 0, KEPT)
    assert shop.check(0, 3, new_from=3).passed


def test_a_new_day_without_a_file_is_missed_all_the_same(shop: IngestRun) -> None:
    file(shop, 3).unlink()
    with pytest.raises(FileMissing, match=r"'2024-03-04\.csv' does not exist"):
        shop.load(0, 3, new_from=3)


def test_an_old_day_that_never_had_rows_fails_no_new_one(shop: IngestRun) -> None:
    deliver(shop, 5)
    shop.load(3, 5, new_from=5)
    checked = shop.check(3, 5, new_from=5)
    assert (checked.passed, checked.numbers["partitions"]) == (True, 2)


def test_a_changed_old_day_is_judged(shop: IngestRun) -> None:
    deliver(shop, 1, count=1)
    shop.load(0, 3, new_from=3)
    [reason] = shop.check(0, 3, new_from=3).reasons
    assert "failed for 1 of 2 days: 2024-03-02" in reason
    assert shop.quarantine([reason], 0, 3) == "quarantine-test"


def test_a_day_that_never_comes_is_neither_read_nor_checked(shop: IngestRun) -> None:
    set_source(shop, "skip_days: [2024-03-05]")
    deliver(shop, 5)
    loaded = shop.load(3, 5)
    assert (loaded.rows, loaded.partitions, loaded.missing) == (8, 2, 0)
    checked = shop.check(3, 5)
    assert (checked.passed, checked.numbers["partitions"]) == (True, 2)


def test_a_day_that_is_skipped_keeps_what_it_holds(shop: IngestRun) -> None:
    set_source(shop, "skip_days: [2024-03-02, 2024-03-03]")
    deliver(shop, 1, count=2)
    file(shop, 2).unlink()
    shop.load(0, 3)
    assert content(shop, BRANCH) == KEPT


def test_rows_of_a_skipped_day_in_a_file_of_several_are_left_out(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    folder = write_pipeline(tmp_path, "whole", source={"skip_days": ["2024-03-02"]})
    shop = IngestRun(folder, lake, tracking)
    write_csv(folder / "orders.csv", orders(0, 1, 2))
    assert shop.load(0, 2).rows == 8
    assert sorted(content(shop, BRANCH)) == ["2024-03-01", "2024-03-03"]


def test_a_run_of_skipped_days_alone_changes_nothing(shop: IngestRun) -> None:
    set_source(shop, "skip_days: [2024-03-05]")
    loaded = shop.load(4)
    assert (loaded.rows, loaded.written) == (0, 0)
    assert shop.check(4).passed
    head = shop.lake.resolve("main")
    shop.publish()
    assert shop.lake.resolve("main") == head


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], ""),
        ([4], "2024-03-05"),
        ([2, 0, 1, 1], "2024-03-01_2024-03-03"),
        ([0, 1, 4, 6, 7], "2024-03-01_2024-03-02, 2024-03-05, 2024-03-07_2024-03-08"),
    ],
)
def test_days_are_written_in_ranges(numbers: list[int], text: str) -> None:
    days = [day(number) for number in numbers]
    assert written(days) == text
    assert parse(text) == tuple(sorted(set(days)))


def test_days_between_include_both() -> None:
    assert list(days_between(date(2024, 2, 28), date(2024, 3, 1))) == [
        date(2024, 2, 28) + timedelta(days=number) for number in range(3)
    ]
    assert list(days_between(date(2024, 3, 2), date(2024, 3, 1))) == []
