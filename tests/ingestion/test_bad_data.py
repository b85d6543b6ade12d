"""Every kind of bad data is reported with its place, rule and count, and never with its values."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from include.exceptions import BadData
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import Row, day, orders, write_csv, write_parquet, write_pipeline

SECRET = "secret-7f3a9"
"""Stands for a value that must not leave the data."""

CSV, PARQUET = "orders.csv", "orders.parquet"
BETWEEN = "expect_column_values_to_be_between"
COLUMNS = "expect_table_columns_to_match_set (column_set=['time', 'id', 'amount', 'kind', 'returned'])"
KINDS = "kind: expect_column_values_to_be_in_set (value_set=['book', 'toy'])"
COUNT = f"rows: {BETWEEN} (max_value=50.0, min_value=2.0)"
AMOUNT = f"amount: {BETWEEN} (max_value=100.0, min_value=0.0)"
MEAN = "amount: expect_column_mean_to_be_between (max_value=50.0)"
NOT_NULL = "amount: expect_column_values_to_not_be_null"
NO_COLUMN = "could not run: the column is missing"
OTHER_TYPE = "could not run: the column has another type than the rule needs"


@dataclass(frozen=True)
class Case:
    """A source, and what is reported about it."""

    id: str
    deliver: Callable[[Path], Any]
    faults: list[str]
    source: dict[str, Any] = field(default_factory=dict)
    days: tuple[int, int] = (0, 0)


def changed(rows: list[Row], number: int, **columns: Any) -> list[Row]:
    """Rows of which one is changed."""
    return [*rows[:number], {**rows[number], **columns}, *rows[number + 1 :]]


def csv(rows: list[Row]) -> Callable[[Path], None]:
    return lambda folder: write_csv(folder / CSV, rows)


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], int]:
    return lambda folder: (folder / CSV).write_bytes(content.encode(encoding))


def as_text(rows: list[Row]) -> str:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def damaged(start: int, end: int | None, filling: bytes = b"") -> Callable[[Path], None]:
    """A Parquet file of which some bytes are lost or overwritten."""

    def deliver(folder: Path) -> None:
        write_parquet(
            folder / PARQUET, [{**row, "kind": f"{SECRET} {row['id']}"} for row in orders(0, count=9)]
        )
        good = (folder / PARQUET).read_bytes()
        rest = good[end:] if end else b""
        (folder / PARQUET).write_bytes(good[:start] + filling + rest)

    return deliver


def per_day(*files: list[Row]) -> Callable[[Path], None]:
    def deliver(folder: Path) -> None:
        for number, rows in enumerate(files):
            write_csv(folder / f"orders-{day(number)}.csv", rows)

    return deliver


GOOD = orders(0)
SECRETS = [{**row, "kind": SECRET} for row in GOOD]
LONG = [{**GOOD[0], "id": number} for number in range(60_000)]
A_FILE_A_DAY = {"uri": "orders-{dt}.csv"}
IN_PARQUET = {"reader": "parquet", "uri": PARQUET}

CASES = [
    Case(
        "nothing delivered",
        lambda folder: None,
        ["'orders.csv' does not exist; provide it, or correct source.uri"],
    ),
    Case("empty CSV", text(""), ["'orders.csv' is empty: 0 bytes; provide the file again"]),
    Case(
        "empty Parquet",
        lambda folder: (folder / PARQUET).touch(),
        ["'orders.parquet' is empty: 0 bytes; provide the file again"],
        IN_PARQUET,
    ),
    Case(
        "blank lines",
        text("\n\n"),
        [
            "'orders.csv' cannot be read: CSV parse error: Empty CSV file or block: cannot infer number of "
            "columns; provide the file again"
        ],
    ),
    Case("header only", csv([]), [f"{COUNT} failed for 1 of 1 days: 2024-03-01 (severity critical)"]),
    Case(
        "Parquet without rows",
        lambda folder: write_parquet(folder / PARQUET, []),
        [f"{COUNT} failed for 1 of 1 days: 2024-03-01 (severity critical)"],
        IN_PARQUET,
    ),
    Case(
        "no header",
        text(as_text(SECRETS).partition("\n")[2]),
        [
            "'orders.csv': column 'time' (source.partition_by) is missing among the 5 columns; correct "
            "source.partition_by, or the source"
        ],
    ),
    Case(
        "truncated Parquet",
        damaged(500, None),
        [
            "'orders.parquet' cannot be read: Parquet magic bytes not found in footer. Either the file is "
            "corrupted or this is not a parquet file; provide the file again"
        ],
        IN_PARQUET,
    ),
    Case(
        "Parquet cut to its first bytes",
        damaged(6, None),
        [
            "'orders.parquet' cannot be read: Parquet file size is 6 bytes, smaller than the minimum file "
            "footer (8 bytes); provide the file again"
        ],
        IN_PARQUET,
    ),
    Case(
        "Parquet with damaged pages",
        damaged(4, 300, b"\xff" * 296),
        [
            "'orders.parquet' cannot be read: Couldn't deserialize thrift: don't know what type: \x0f; "
            "provide the file again"
        ],
        IN_PARQUET,
    ),
    Case(
        "CSV instead of Parquet",
        lambda folder: write_csv(folder / PARQUET, SECRETS),
        [
            "'orders.parquet' cannot be read: Parquet magic bytes not found in footer. Either the file is "
            "corrupted or this is not a parquet file; provide the file again"
        ],
        IN_PARQUET,
    ),
    Case(
        "Latin-1",
        text(as_text(changed(GOOD, 2, kind=f"{SECRET} café")), "latin-1"),
        [
            "'orders.csv': column 'kind': 1 of 4 values are not UTF-8; set source.csv.encoding, or "
            "convert the file"
        ],
    ),
    Case(
        "Latin-1 far down",
        text(as_text([*LONG, {**GOOD[0], "kind": f"{SECRET} café"}]), "latin-1"),
        [
            "'orders.csv': column 'kind': 1 of 60001 values are not UTF-8; set source.csv.encoding, or "
            "convert the file"
        ],
    ),
    Case(
        "Latin-1 header",
        text(as_text(SECRETS).replace("returned", "retourné"), "latin-1"),
        [
            "'orders.csv': the names of the columns are not UTF-8; set source.csv.encoding, or "
            "convert the file"
        ],
    ),
    Case(
        "UTF-16",
        text(as_text(SECRETS), "utf-16"),
        ["'orders.csv' is UTF-16, not UTF-8; set source.csv.encoding to 'utf-16'"],
    ),
    Case(
        "a row with a cell too many",
        text(as_text(GOOD) + f"2024-03-01,9,9.5,{SECRET},1,1\n"),
        ["'orders.csv' cannot be read: Expected 5 columns, got 6 in row 5; correct the file"],
    ),
    Case(
        "missing column",
        csv([{name: value for name, value in row.items() if name != "amount"} for row in GOOD]),
        [
            f"{AMOUNT} {NO_COLUMN} (severity critical)",
            f"{NOT_NULL} {NO_COLUMN} (severity critical)",
            f"missing amount: {COLUMNS} failed (severity critical)",
            "amount: expect_column_to_exist (model.features.numerical) failed (severity critical)",
            f"{MEAN} {NO_COLUMN} (severity warning)",
        ],
    ),
    Case(
        "missing column on one day of two",
        per_day(
            GOOD, [{name: value for name, value in row.items() if name != "returned"} for row in orders(1)]
        ),
        [
            f"missing returned: {COLUMNS} failed (severity critical)",
            "returned: expect_column_to_exist (model.target) failed (severity critical)",
        ],
        A_FILE_A_DAY,
        (0, 1),
    ),
    Case(
        "extra column",
        csv([{**row, "note": SECRET} for row in GOOD]),
        [f"unexpected note: {COLUMNS} failed (severity critical)"],
    ),
    Case(
        "column twice",
        text(as_text([{**row, "note": SECRET} for row in GOOD]).replace("note", "kind")),
        ["'orders.csv': 1 column name(s) occur twice: 'kind'; give each column a name of its own"],
    ),
    Case(
        "text among numbers",
        csv(changed(GOOD, 2, amount=SECRET)),
        [
            f"{AMOUNT} {OTHER_TYPE} (severity critical)",
            "amount: expect_column_values_to_be_numbers (model.features.numerical) failed for 1 of 4 rows "
            "(severity critical)",
            f"{MEAN} {OTHER_TYPE} (severity warning)",
        ],
    ),
    Case(
        "text among numbers far down",
        csv([*LONG, {**GOOD[0], "amount": SECRET}, {**GOOD[0], "amount": SECRET}]),
        [
            "'orders.csv': column 'amount', inferred as float, has 2 other values in 60002 rows; correct "
            "the file, or say what it is under columns.amount of the contract"
        ],
    ),
    Case(
        "a day of another type",
        per_day(GOOD, [{**row, "amount": SECRET} for row in orders(1)]),
        [
            "'orders-2024-03-02.csv': column 'amount', inferred as float, has 4 other values in 4 rows; "
            "correct the file, or say what it is under columns.amount of the contract"
        ],
        A_FILE_A_DAY,
        (0, 1),
    ),
    Case(
        "values out of range",
        csv([{**changed(GOOD, 1, amount=-7.25)[number], "kind": SECRET} for number in range(4)]),
        [
            f"{AMOUNT} failed for 1 of 4 rows (severity critical)",
            f"{KINDS} failed for 4 of 4 rows (severity critical)",
        ],
    ),
    Case(
        "duplicate rows",
        csv([*GOOD, GOOD[1], GOOD[1]]),
        ["id: expect_column_values_to_be_unique failed for 3 of 6 rows (severity critical)"],
    ),
    Case(
        "a feature that is null throughout",
        csv([{**row, "amount": ""} for row in GOOD]),
        [
            f"{NOT_NULL} failed for 4 of 4 rows (severity critical)",
            f"{MEAN} failed (severity warning)",
        ],
    ),
    Case(
        "rows of another day",
        per_day(GOOD, [*orders(1), *changed(orders(0), 0, kind=SECRET)]),
        [
            "'orders-2024-03-02.csv': column 'time' is outside of 2024-03-02 … 2024-03-02 (UTC) in 4 of 8 "
            "rows; the source has to return the requested days, or set source.late to 'drop'"
        ],
        A_FILE_A_DAY,
        (0, 1),
    ),
    Case(
        "rows without a time",
        csv(changed(SECRETS, 3, time="")),
        [
            "'orders.csv': column 'time' is empty in 1 of 4 rows; the source has to give each row its time, "
            "or set source.invalid_time to 'drop'"
        ],
    ),
    Case(
        "a time that is none",
        csv(changed(GOOD, 3, time=SECRET)),
        [
            "'orders.csv': column 'time': 1 of 4 values cannot be read as time; write text such as "
            "'2013-01-01 05:00:00'"
        ],
    ),
    Case(
        "a day without rows",
        csv(orders(0, 2)),
        [f"{COUNT} failed for 1 of 3 days: 2024-03-02 (severity critical)"],
        days=(0, 2),
    ),
    Case(
        "no day with rows",
        csv(orders(9)),
        [f"{COUNT} failed for 2 of 2 days: 2024-03-01, 2024-03-02 (severity critical)"],
        days=(0, 1),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_bad_data_is_told_without_its_values_and_never_gets_to_main(
    case: Case, tmp_path: Path, lake: Lake, tracking: TrackingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    name = f"orders_{uuid4().hex[:8]}"
    shop = IngestRun(write_pipeline(tmp_path, name, source=case.source), lake, tracking)
    before = lake.resolve("main")
    case.deliver(shop.folder)
    found = shop.faults(*case.days)
    assert sorted(found) == sorted(case.faults)
    kept = "quarantine-test"
    assert (shop.quarantine(found), lake.resolve("main"), lake.ref_exists(BRANCH)) == (kept, before, False)
    assert SECRET not in "\n".join([*found, *told(shop, kept), caplog.text])


def told(shop: IngestRun, branch: str) -> list[str]:
    """Everything that is written about a run's data where people look: commits, reports, tags."""
    parts = [f"{commit.message} {commit.metadata}" for commit in shop.lake.log(branch)]
    for run in shop.experiment.client.search_runs([shop.experiment.id]):
        parts.append(json.dumps(run.to_dictionary()))
        for file in ("validation.html", "verdict.json"):
            parts.append(shop.experiment.open_run(run.info.run_id).download_artifact(file).decode())
    return parts


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.id in ("Latin-1", "text among numbers far down", "a time that is none")],
    ids=lambda case: case.id,
)
def test_not_even_the_traceback_quotes_a_value(
    case: Case, tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    shop = IngestRun(write_pipeline(tmp_path, source=case.source), lake, tracking)
    case.deliver(shop.folder)
    with pytest.raises(BadData) as raised:
        shop.load(*case.days)
    assert SECRET in (shop.folder / CSV).read_text("latin-1")
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_bad_day_keeps_back_the_good_ones_of_its_run_until_it_is_mended(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    shop = IngestRun(write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}"), lake, tracking)
    write_csv(shop.folder / CSV, [*orders(0), *orders(1, count=1), *orders(2)])
    shop.quarantine(shop.faults(0, 2))
    assert shop.table.parts("main", day(0), day(2)) == {}
    write_csv(shop.folder / CSV, orders(0, 1, 2))
    assert shop.faults(0, 2) == []
    shop.publish()
    assert [len(rows) for _, rows in shop.table.partitions("main", day(0), day(2))] == [4, 4, 4]
    assert shop.table.parts("quarantine-test", day(0), day(2)).keys() == {day(0), day(1), day(2)}
