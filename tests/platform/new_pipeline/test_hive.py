"""Folders of partitions, as Hive and Spark name them, become a path with `{dt}`, whatever the files are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.platform.check import check
from include.platform.new_pipeline.__main__ import Written, new_pipeline
from tests.support.own_data import Row, orders, write

Name = Callable[[date], str]


def parquet(file: Path, rows: list[Row]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), file.with_suffix(".parquet"))


def csv(file: Path, rows: list[Row]) -> None:
    write(file.with_suffix(".csv"), rows)


def json_lines(file: Path, rows: list[Row]) -> None:
    file.with_suffix(".jsonl").write_text("\n".join(json.dumps(row, default=str) for row in rows))


def padded(day: date) -> str:
    return f"year={day:%Y}/month={day:%m}/day={day:%d}"


def numbers(day: date) -> str:
    return f"year={day.year}/month={day.month}/day={day.day}"


def whole(day: date) -> str:
    return f"dt={day}"


def make(
    tmp: Path,
    name: Name,
    kind: Callable[[Path, list[Row]], None],
    time: str | None = None,
    *,
    lacks: str = "",
) -> Written:
    by_day: dict[date, list[Row]] = {}
    for row in orders():
        kept = {key: value for key, value in row.items() if key != lacks}
        by_day.setdefault(row["created"].date(), []).append(kept)
    for day, rows in by_day.items():
        folder = tmp / "data" / name(day)
        folder.mkdir(parents=True)
        kind(folder / "part-0", rows)
    return new_pipeline("orders", str(tmp / "data"), "returned", time, pipelines=tmp / "pipelines")


@pytest.mark.parametrize("kind", [parquet, csv, json_lines])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        (padded, "year={dt:%Y}/month={dt:%m}/day={dt:%d}"),
        (numbers, "year={dt:%Y}/month={dt:%-m}/day={dt:%-d}"),
        (whole, "dt={dt}"),
    ],
)
def test_partitions_are_found(
    tmp_path: Path, name: Name, form: str, kind: Callable[[Path, list[Row]], None]
) -> None:
    written = make(tmp_path, name, kind)

    source = loader.load(written.folder).source
    assert source.uri == f"file://{tmp_path}/data/{form}"
    assert source.partition_by == "created"


@pytest.mark.parametrize(
    ("kind", "name", "column"),
    [(parquet, whole, "dt"), (csv, numbers, "day"), (json_lines, padded, "day")],
)
def test_the_day_of_the_path_is_the_time_where_files_have_none(
    tmp_path: Path, kind: Callable[[Path, list[Row]], None], name: Name, column: str
) -> None:
    written = make(tmp_path, name, kind, lacks="created")

    pipeline = loader.load(written.folder)
    assert (pipeline.model.time, pipeline.columns[column].type) == (column, "date")
    assert [one for one in check(written.folder) if one.fault] == []


def test_the_day_of_the_path_may_be_wanted(tmp_path: Path) -> None:
    assert loader.load(make(tmp_path, whole, parquet, "dt").folder).source.partition_by == "dt"


def test_numbers_without_zeros_are_days_in_their_order(tmp_path: Path) -> None:
    written = make(tmp_path, numbers, csv)

    assert [one for one in check(written.folder) if one.fault] == []
    [rows] = [one for one in written.reasons if one.choice == "training"]
    assert rows.value == "35d, holdout 9d"
