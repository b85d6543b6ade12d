"""Columns that files of days have only from some day on are declared so, and the dry run passes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.platform.check import check
from include.platform.new_pipeline.__main__ import Written, new_pipeline
from tests.support.own_data import orders

Rows = list[dict[str, Any]]
FIRST_WITH = 23
"""Not one of the twelve days that a sample of 40 looks into."""


def write_lines(file: Path, rows: Rows) -> None:
    file.with_suffix(".jsonl").write_text("\n".join(json.dumps(row, default=str) for row in rows))


def write_parquet(file: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), file.with_suffix(".parquet"))


def write_csv(file: Path, rows: Rows) -> None:
    """Write rows as CSV, with the columns of every other file in the other order."""
    names = sorted(rows[0], reverse=len(rows) % 2 == 0)
    with file.with_suffix(".csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)


def days_of(tmp: Path, write: Callable[[Path, Rows], None], lacks: Callable[[int], bool]) -> list[date]:
    """Write a file for each day of the orders, without `weight` on some; return the days."""
    by_day: dict[date, Rows] = {}
    for row in orders():
        by_day.setdefault(row["created"].date(), []).append(row)
    (tmp / "days").mkdir()
    for number, (day, rows) in enumerate(sorted(by_day.items())):
        if lacks(number):
            rows = [{name: value for name, value in row.items() if name != "weight"} for row in rows]
        write(tmp / "days" / f"{day}", rows)
    return sorted(by_day)


def make(tmp: Path) -> Written:
    return new_pipeline("orders", str(tmp / "days"), "returned", None, pipelines=tmp / "pipelines")


@pytest.mark.parametrize("write", [write_lines, write_parquet, write_csv])
def test_the_first_day_is_found_between_those_of_the_sample(
    tmp_path: Path, write: Callable[[Path, Rows], None]
) -> None:
    days = days_of(tmp_path, write, lambda number: number < FIRST_WITH)
    written = make(tmp_path)

    columns = loader.load(written.folder).columns
    assert {name: column.since for name, column in columns.items() if column.since} == {
        "weight": days[FIRST_WITH]
    }
    assert ("since", "weight", f"{days[FIRST_WITH]} is the first day that has it") in written.reasons
    assert [one for one in check(written.folder) if one.fault] == []


def test_a_column_of_all_days_and_one_that_is_gone_have_none(tmp_path: Path) -> None:
    days_of(tmp_path, write_lines, lambda number: number > FIRST_WITH)
    columns = loader.load(make(tmp_path).folder).columns
    assert [name for name, column in columns.items() if column.since] == []
