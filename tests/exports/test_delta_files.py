"""Files of an export carry what lets readers skip them, and are read a row group at a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.lake.client import Lake
from tests.support.exports import Exported, orders


@pytest.fixture
def shop(tmp_path: Path, lake: Lake) -> Exported:
    return Exported(lake, tmp_path)


def stats(shop: Exported) -> dict[str, Any]:
    (file,) = (shop.folder / "_delta_log").glob("*.json")
    (added,) = [line["add"] for line in map(json.loads, file.read_text().splitlines()) if "add" in line]
    found: dict[str, Any] = json.loads(added["stats"])
    return found


def test_ranges_of_whole_numbers_and_times_are_kept_and_no_others(shop: Exported) -> None:
    seen = [datetime(2024, 3, 1, tzinfo=UTC), None, datetime(2024, 3, 2, 1, 2, 3, 4, tzinfo=UTC)]
    shop.put(
        {
            0: orders(
                0,
                seen=pa.array(seen, pa.timestamp("us", "UTC")),
                score=pa.array([0.5, float("nan"), None]),
                kind=pa.array(["book", "toy", None]),
                empty=pa.array([None] * 3, pa.int64()),
                tags=pa.array([["a"], None, []]),
            )
        }
    )
    shop.export()
    assert stats(shop) == {
        "numRecords": 3,
        "minValues": {"id": 0, "time": "2024-03-01T00:30:00.000000", "seen": "2024-03-01T00:00:00.000000Z"},
        "maxValues": {"id": 2, "time": "2024-03-01T02:30:00.000000", "seen": "2024-03-02T01:02:03.000004Z"},
        "nullCount": {"id": 0, "time": 0, "seen": 1, "score": 1, "kind": 1, "empty": 3},
    }


def test_readers_skip_files_by_them(shop: Exported) -> None:
    shop.put({number: orders(number) for number in range(3)})
    shop.export()
    (found,) = shop.delta().file_uris(file_pruning_predicate="id = 1001")
    assert "dt=2024-03-02" in found


def test_years_that_no_date_has_leave_no_range(shop: Exported) -> None:
    far = pa.array([0, 10**18, 1], pa.int64()).cast(pa.timestamp("us"))
    shop.put({0: orders(0, far=far)})
    shop.export()
    assert "far" not in stats(shop)["maxValues"]


def test_parts_without_rows_are_no_files(shop: Exported) -> None:
    commit = shop.put({0: orders(0), 1: orders(1, count=0)})
    shop.export()
    assert len(shop.delta().file_uris()) == 1
    assert shop.rows() == shop.lake_rows(commit)
