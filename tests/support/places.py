"""Orders where they are no files: a Delta Lake table, a table of SQLite, a function."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.delta import append
from tests.support.own_data import Row, orders


def read(first: date, last: date) -> Iterator[pa.RecordBatch]:
    """Yield the orders of some days, as a source's function does."""
    if rows := _of(first, last):
        yield pa.RecordBatch.from_pylist(rows)


def returns_list(first: date, last: date) -> list[str]:
    """Return what no function of a source may."""
    return [f"{first}", f"{last}"]


def delta_table(folder: Path, rows: list[Row] | None = None, days_a_version: int = 10) -> Path:
    """Write the orders as a Delta Lake table whose versions have some days each."""
    rows = orders() if rows is None else rows
    start = min(row["created"] for row in rows)
    step = timedelta(days=days_a_version)
    while some := [row for row in rows if start <= row["created"] < start + step]:
        append(folder, some)
        start += step
    return folder


def partitions(folder: Path) -> Path:
    """Write the orders as Spark does: a folder for each day, its numbers without zeros."""
    for row in orders():
        day = row["created"].date()
        part = folder / f"year={day.year}" / f"month={day.month}" / f"day={day.day}"
        part.mkdir(parents=True, exist_ok=True)
    for part in folder.glob("*/*/*"):
        numbers = [int(one.partition("=")[2]) for one in part.relative_to(folder).parts]
        pq.write_table(pa.Table.from_pylist(_of(date(*numbers), date(*numbers))), part / "part-0.parquet")
    return folder


def _of(first: date, last: date) -> list[Row]:
    return [row for row in orders() if first <= row["created"].date() <= last]


def database(file: Path, rows: list[Row] | None = None, *, table: str = "orders", time: str = "TEXT") -> str:
    """Write the orders into a table of SQLite; return the URL."""
    rows = orders() if rows is None else rows
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            f'CREATE TABLE "{table}" (order_id INT, created {time}, amount REAL, weight REAL, kind TEXT, '
            "zip TEXT, email TEXT, returned INT)"
        )
        connection.executemany(
            f'INSERT INTO "{table}" VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
            [[str(v) if isinstance(v, datetime) else v for v in row.values()] for row in rows],
        )
    return f"sqlite:///{file}"
