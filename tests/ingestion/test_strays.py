"""Rows of other days than their file's, and rows without a time: refused, or left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.exceptions import BadData
from include.ingestion import partitioner
from include.ingestion.partitioner import parts
from include.ingestion.strays import Strays
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import Row, day, orders, write_csv, write_pipeline

DROP = {"late": "drop", "invalid_time": "drop", "max_dropped": 0.5}
EVENING_BEFORE = {"time": "2024-03-01 23:59:59", "id": 900, "amount": 1.5, "kind": "toy", "returned": 0}
WRONG_CLOCK = {**EVENING_BEFORE, "time": "2042-01-01 00:00:00", "id": 901}
UNDATED = {**EVENING_BEFORE, "time": None, "id": 902}

Cut = Callable[..., tuple[dict[str, list[int]], Strays]]


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    """Cuts the files that were delivered; returns each day's ids, and what was left out."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def cut(folder: Path, first: int, last: int) -> tuple[dict[str, list[int]], Strays]:
        feed = loader.load(folder).feed()
        strays = Strays(feed.source)
        found = {}
        for part in parts(feed, day(first), day(last), folder=folder, scratch=scratch, strays=strays):
            found[str(part.day)] = pq.read_table(part.file)["id"].to_pylist() if part.file else []
        return found, strays

    return cut


def daily(tmp_path: Path, *, extra: dict[int, list[Row]], **source: Any) -> Path:
    """A pipeline with a file for each of three days; `extra` are further rows in them."""
    name = f"orders_{uuid4().hex[:8]}"
    folder = write_pipeline(tmp_path, name, source={"uri": "orders-{dt}.csv", **source})
    for number in range(3):
        rows = [*orders(number), *extra.get(number, [])]
        write_csv(folder / f"orders-{day(number)}.csv", rows)
    return folder


THREE_DAYS = {
    "2024-03-01": [0, 1, 2, 3],
    "2024-03-02": [100, 101, 102, 103],
    "2024-03-03": [200, 201, 202, 203],
}


def test_strays_are_left_out_and_counted(tmp_path: Path, cut: Cut) -> None:
    strangers = [EVENING_BEFORE, WRONG_CLOCK, UNDATED]
    folder = daily(tmp_path, extra={1: strangers, 2: [UNDATED]}, **DROP)
    found, strays = cut(folder, 0, 2)
    assert found == THREE_DAYS
    assert (strays.late, strays.undated) == (2, 2)


def test_a_day_has_the_same_rows_alone_and_among_others(tmp_path: Path, cut: Cut) -> None:
    folder = daily(tmp_path, extra={1: [EVENING_BEFORE], 2: [EVENING_BEFORE]}, **DROP)
    among, _ = cut(folder, 0, 2)
    alone = [cut(folder, number, number)[0] for number in range(3)]
    assert {name: ids for one in alone for name, ids in one.items()} == among == THREE_DAYS


@pytest.mark.parametrize(
    ("row", "source", "message"),
    [
        (
            UNDATED,
            {"late": "drop"},
            "'orders-2024-03-02.csv': column 'time' is empty in 1 of 5 rows; the source has to give each row "
            "its time, or set source.invalid_time to 'drop'",
        ),
        (
            EVENING_BEFORE,
            {"invalid_time": "drop"},
            "'orders-2024-03-02.csv': column 'time' is outside of 2024-03-02 … 2024-03-02 (UTC) in 1 of 5 "
            "rows; the source has to return the requested days, or set source.late to 'drop'",
        ),
        (
            WRONG_CLOCK,
            {**DROP, "max_dropped": 0.19},
            "'orders-2024-03-02.csv': column 'time' is empty in 0 and outside of 2024-03-02 … 2024-03-02 "
            "(UTC) in 1 of 5 rows, and at most the share 0.19 may be left out; correct the source, or raise "
            "source.max_dropped",
        ),
    ],
    ids=["undated", "late", "share"],
)
def test_what_the_contract_does_not_leave_out_is_refused(
    tmp_path: Path, cut: Cut, row: Row, source: dict[str, Any], message: str
) -> None:
    folder = daily(tmp_path, extra={1: [row]}, **source)
    with pytest.raises(BadData) as raised:
        cut(folder, 0, 2)
    assert str(raised.value) == message


def test_the_share_is_that_of_each_file_and_may_be_reached(tmp_path: Path, cut: Cut) -> None:
    folder = daily(tmp_path, extra={1: [UNDATED]}, **{**DROP, "max_dropped": 0.2})
    assert cut(folder, 0, 2)[1].undated == 1


def test_a_file_of_all_days_is_counted_once_however_often_it_is_read(
    tmp_path: Path, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitioner, "_MAX_DAYS_PER_PASS", 1)
    folder = write_pipeline(tmp_path, source=DROP)
    write_csv(folder / "orders.csv", [*orders(0, 1, 2), UNDATED])
    found, strays = cut(folder, 0, 2)
    assert found == THREE_DAYS
    assert (strays.late, strays.undated) == (0, 1)


def test_of_many_faults_ten_are_named(tmp_path: Path, cut: Cut) -> None:
    folder = daily(tmp_path, extra={})
    for number in range(12):
        write_csv(folder / f"orders-{day(number)}.csv", [*orders(number), UNDATED])
    with pytest.raises(BadData, match=r"; and 2 more$") as raised:
        cut(folder, 0, 11)
    assert str(raised.value).count("is empty in 1 of 5 rows") == 10


def test_a_load_says_what_it_left_out_in_result_commit_and_log(
    tmp_path: Path, lake: Lake, tracking: TrackingServer, caplog: pytest.LogCaptureFixture
) -> None:
    folder = daily(tmp_path, extra={1: [EVENING_BEFORE, UNDATED], 2: [WRONG_CLOCK]}, **DROP)
    shop = IngestRun(folder, lake, tracking)
    loaded = shop.load(0, 2)
    assert (loaded.rows, loaded.late, loaded.undated) == (12, 2, 1)
    metadata = lake.get_commit(BRANCH).metadata
    assert (metadata["late"], metadata["undated"]) == ("2", "1")
    assert (
        "left out 2 row(s) of other days than their file's (source.late) and 1 without a time "
        "(source.invalid_time)" in caplog.text
    )
    assert shop.load(0, 2).to_json() == {**loaded.to_json(), "written": 0}
