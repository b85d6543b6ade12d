"""The days of a source's files, from their paths or their rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.contract.data import OnExtra
from include.exceptions import FileMissing
from include.platform.source_days import latest_days, source_days
from tests.support.pipeline import day, orders, write_csv, write_pipeline


def pipeline(tmp: Path, files: dict[str, list[dict[str, Any]]], uri: str, **changes: Any) -> Path:
    folder = write_pipeline(tmp, source={"uri": uri}, **changes)
    for name, rows in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_csv(folder / name, rows)
    return folder


@pytest.mark.parametrize(
    ("uri", "names", "days"),
    [
        ("o-{dt}.csv", ["o-2024-03-01.csv", "o-2024-03-09.csv"], (date(2024, 3, 1), date(2024, 3, 9))),
        ("{dt:%Y/%m/%d}.csv", ["2024/03/01.csv", "2024/04/02.csv"], (date(2024, 3, 1), date(2024, 4, 2))),
        ("dt={dt}/*.csv", ["dt=2024-03-05/a.csv"], (date(2024, 3, 5), date(2024, 3, 5))),
        ("dt={dt}", ["dt=2024-03-05/a.csv", "dt=2024-03-06/b.csv"], (date(2024, 3, 5), date(2024, 3, 6))),
        ("o-{dt:%Y-%m}.csv", ["o-2024-02.csv"], (date(2024, 2, 1), date(2024, 2, 29))),
        ("{dt:%Y}/*.csv", ["2023/a.csv"], (date(2023, 1, 1), date(2023, 12, 31))),
        ("o-{dt:%Y%j}.csv", ["o-2024061.csv", "o-9999999.csv"], (date(2024, 3, 1), date(2024, 3, 1))),
    ],
)
def test_paths_say_which_days_there_are(
    tmp_path: Path, uri: str, names: list[str], days: tuple[date, date]
) -> None:
    folder = pipeline(tmp_path, {name: orders(0) for name in names}, uri)

    assert source_days(loader.load(folder).feed(), folder) == days


def test_a_file_with_the_whole_history_is_read(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, {"orders.csv": orders(3, 1, 200)}, "orders.csv")

    assert source_days(loader.load(folder).feed(), folder) == (day(1), day(200))
    assert latest_days(loader.load(folder), folder) == (day(111), day(200))


def test_columns_that_are_dropped_are_not_looked_at(tmp_path: Path) -> None:
    rows = [{**row, "email": "ann@example.com"} for row in orders(0)]
    folder = pipeline(tmp_path, {"orders.csv": rows}, "orders.csv", privacy={"drop": ["email"]})
    contract = loader.load(folder)
    source = contract.source.model_copy(update={"extra": OnExtra.FAIL})

    assert source_days(contract.model_copy(update={"source": source}).feed(), folder) == (day(0), day(0))


def test_columns_that_are_hashed_need_no_secret(tmp_path: Path) -> None:
    hashed = {"columns": {"id": "integer"}, "privacy": {"hash": ["id"]}}
    folder = pipeline(tmp_path, {"orders.csv": orders(0, 3)}, "orders.csv", **hashed)

    assert source_days(loader.load(folder).feed(), folder) == (day(0), day(3))


def test_a_time_with_a_format_is_read_as_the_contract_says(tmp_path: Path) -> None:
    rows = [{**row, "when": "31.03.2024"} for row in orders(0)]
    columns = {"time": {"type": "timestamp", "from": "when", "format": "%d.%m.%Y"}}
    rows = [{name: value for name, value in row.items() if name != "time"} for row in rows]
    folder = pipeline(tmp_path, {"orders.csv": rows}, "orders.csv", columns=columns)

    assert source_days(loader.load(folder).feed(), folder) == (date(2024, 3, 31), date(2024, 3, 31))


def test_without_rows_it_says_so(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, {"orders.csv": []}, "orders.csv")

    with pytest.raises(FileMissing, match=r"'orders.csv' has no row with a day; provide rows, or correct"):
        source_days(loader.load(folder).feed(), folder)


def test_only_asking_a_function_shows_its_days(tmp_path: Path) -> None:
    source = {"reader": "python", "uri": None, "callable": "include.pipelines.flights.source:read"}
    folder = write_pipeline(tmp_path, source=source)

    assert source_days(loader.load(folder).feed(), folder) is None
