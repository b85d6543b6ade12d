"""Data that `make new-pipeline` makes no pipeline of; nothing is written for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from include.exceptions import BadData, FileMissing, Misconfigured
from include.platform.new_pipeline.__main__ import new_pipeline
from include.platform.new_pipeline.places import Asked
from tests.support.delta import log_of
from tests.support.own_data import Row, orders, write
from tests.support.places import database, delta_table
from tests.wrong_inputs.table import MARK, NUMBER, rows


def written(
    given: Callable[[Path], object], *, name: str = "orders", time: str | None = None, **asked: Any
) -> Callable[[Path], object]:
    def give(tmp: Path) -> None:
        pipelines = tmp / "pipelines"
        said = Asked(sql_url=lambda _: f"sqlite:///{tmp}/shop.db", **asked)
        try:
            new_pipeline(name, str(given(tmp)), "returned", time, pipelines=pipelines, asked=said)
        finally:
            assert not pipelines.exists() or not list(pipelines.iterdir())

    return give


def text(content: str | bytes, name: str = "orders.csv") -> Callable[[Path], Path]:
    def given(tmp: Path) -> Path:
        (tmp / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp / name

    return given


def changed(**columns: Callable[[int], Any]) -> Callable[[Path], Path]:
    """Orders with other values in some columns."""

    def given(tmp: Path) -> Path:
        changes = ({name: value(number) for name, value in columns.items()} for number in range(960))
        return write(
            tmp / "orders.csv", [row | change for row, change in zip(orders(), changes, strict=True)]
        )

    return given


def shop(rows: list[Row] | None = None, *, time: str = "TEXT") -> Callable[[Path], str]:
    """A connection to a database with the orders."""

    def given(tmp: Path) -> str:
        database(tmp / "shop.db", rows, time=time)
        return "sql:shop"

    return given


def timed(time: Callable[[datetime], object]) -> list[Row]:
    return [{**row, "created": time(row["created"])} for row in orders()]


def broken_table(tmp: Path) -> Path:
    table = delta_table(tmp / "orders")
    log_of(table, 1).write_text(MARK)
    return table


def in_a_file(tmp: Path) -> None:
    (tmp / "pipelines").write_text("")
    new_pipeline(
        "orders", str(write(tmp / "orders.csv", orders())), "returned", None, pipelines=tmp / "pipelines"
    )


HEAD = "created,a,returned\n"
WRONG = rows(
    "new pipeline",
    (
        "no file",
        written(lambda tmp: tmp / "none.csv"),
        FileMissing,
        "none.csv' does not exist; provide it, or",
    ),
    ("no match", written(lambda tmp: tmp / "*.csv"), FileMissing, "provide it, or correct FROM"),
    ("no day", written(lambda tmp: f"{tmp}/o-{{dt:%H}}.csv"), Misconfigured, "which no day has; use %Y"),
    ("no source", written(lambda _: " "), Misconfigured, "FROM is blank; name a file"),
    (
        "the web",
        written(lambda _: "https://example.org/a.csv"),
        Misconfigured,
        "FROM 'https://example.org/a.csv' cannot be opened",
    ),
    ("no name", written(text(HEAD), name="Orders-1"), Misconfigured, "NAME='Orders-1' is not a name"),
    (
        "no folder",
        in_a_file,
        Misconfigured,
        "orders cannot be written: File exists; let this user write there",
    ),
    ("an empty file", written(text("")), BadData, "is empty: 0 bytes; provide the file again"),
    ("blank lines", written(text("\n\n")), BadData, "holds blank lines only; provide the file again"),
    ("a header only", written(text(HEAD)), BadData, "has a header and no rows; provide rows"),
    ("one column", written(text(f"a\n{MARK}\n{MARK}\n")), BadData, "has one column only"),
    ("binary", written(text(b"a,b\0\n\1,2\n")), BadData, "is not text: it holds zero bytes"),
    ("an archive", written(text(b"PK\x03\x04 and more")), BadData, "is a ZIP archive"),
    ("half Parquet", written(text(b"PAR1 and more", "o.parquet")), BadData, "cannot be read"),
    (
        "a name twice",
        written(text("created,a,a,returned\n2024-01-01,1,2,1\n")),
        BadData,
        "1 column name(s) occur twice in the header: 'a'; give each column a name of its own",
    ),
    (
        "another number of cells",
        written(text(f"{HEAD}2024-01-01,1,1\n2024-01-01,{MARK}\n2024-01-01,1,0\n")),
        BadData,
        "1 line(s) have another number of cells than the 3 of the header (the first is row 3); correct them",
    ),
    (
        "comments between rows",
        written(text(f"{HEAD}2024-01-01,1,1\n# {MARK}\n2024-01-01,1,0\n")),
        BadData,
        "1 line(s) between the rows are comments, beginning with '#'; take them out",
    ),
    (
        "no time",
        written(text(f"a,b,returned\n1,{MARK},1\n2,{MARK},0\n")),
        BadData,
        "no column holds times, and a pipeline cuts its rows into days by one; add a column such as",
    ),
    (
        "times in two ways",
        written(changed(created=lambda n: "2024-01-31" if n % 2 else "31.01.2024")),
        BadData,
        "correct 'created', whose values are not all written in one way that is known",
    ),
    (
        "two times",
        written(changed(shipped=lambda _: "2024-01-31")),
        Misconfigured,
        "2 columns hold times: 'created', 'shipped'; name the one that decides the day of a row",
    ),
    (
        "a time that is none",
        written(changed(kind=lambda _: MARK), time="kind"),
        BadData,
        "time 'kind' is string; name another column, or correct it: a time is a date",
    ),
    (
        "rows without a time",
        written(changed(created=lambda n: f"2024-01-{n % 28 + 1:02}" if n % 9 else None)),
        BadData,
        "time 'created' is empty in 107 of 960 rows; every row needs its time",
    ),
    (
        "no target",
        written(text("created,a,retuned\n2024-01-01,1,1\n")),
        Misconfigured,
        "TARGET: there is no column 'returned'; did you mean 'retuned'?",
    ),
    (
        "counts",
        written(changed(returned=lambda n: n % 7)),
        BadData,
        "target 'returned' is integer and holds 7 different value(s) in 960 rows; a binary task allows 0, 1",
    ),
    (
        "numbers",
        written(changed(returned=lambda n: NUMBER * (n % 2))),
        BadData,
        "target 'returned' is float and holds 2 different value(s)",
    ),
    (
        "texts",
        written(changed(returned=lambda n: f"{MARK}{n % 2}")),
        BadData,
        "target 'returned' is string and holds 2 different value(s)",
    ),
    ("one class", written(changed(returned=lambda _: 0)), BadData, "holds 1 different value(s)"),
    (
        "no feature",
        written(text(HEAD + f"2024-01-01,{MARK},1\n2024-01-02,{MARK},0\n" * 20)),
        BadData,
        "no column is left to predict 'returned' from: 'a' has the same value in every row",
    ),
    ("no table or query", written(shop()), Misconfigured, "takes one of QUERY and TABLE; name a table"),
    (
        "a query without days",
        written(shop(), query="select * from orders"),
        Misconfigured,
        "QUERY has no ':start' and ':end', between which it has to return the rows",
    ),
    (
        "a query that writes",
        written(shop(), query="delete from orders where :start < :end"),
        Misconfigured,
        "QUERY: begins with 'delete'; a source only reads",
    ),
    (
        "a query without rows",
        written(shop(), query="select * from orders where created between :start and :end"),
        BadData,
        "name days that have some, as in FIRST=2024-01-01 LAST=2024-03-31",
    ),
    (
        "a column of a query twice",
        written(shop(), query="select *, kind from orders where :start < :end", last=date(2024, 2, 9)),
        BadData,
        "QUERY: column 'kind' is there twice; give each a name of its own",
    ),
    (
        "no such table",
        written(shop(), table="order"),
        Misconfigured,
        "the query of TABLE is refused (SQLITE_ERROR): no such table: order",
    ),
    (
        "more than a table",
        written(shop(), table='orders"; drop table orders'),
        Misconfigured,
        "cannot be written into a query as a name; use letters",
    ),
    ("a connection of no name", written(lambda _: "sql:a b", table="a"), Misconfigured, "FROM: 'a b' is not"),
    (
        "times as numbers",
        written(shop(timed(lambda time: int(time.timestamp())), time="INT"), table="orders"),
        Misconfigured,
        "the time column created is int64 in the database, which is not compared with times; write QUERY",
    ),
    (
        "a row of the table without a time",
        written(shop([*orders(), orders()[0] | {"created": None}]), table="orders"),
        BadData,
        "time 'created' is empty in 1 of 961 rows; every row needs its time",
    ),
    (
        "a query of files",
        written(text(HEAD), query="select 1"),
        Misconfigured,
        "QUERY and TABLE are for FROM=sql:<connection>; leave them out, or correct FROM",
    ),
    ("days of files", written(text(HEAD), last=date(2024, 2, 9)), Misconfigured, "leave them out, as files"),
    (
        "days in the wrong order",
        written(lambda _: "python:a:b", first=date(2024, 2, 9), last=date(2024, 2, 1)),
        Misconfigured,
        "FIRST=2024-02-09 is after LAST=2024-02-01; set the earlier day as FIRST",
    ),
    ("no function", written(lambda _: "python:a"), Misconfigured, "FROM: 'a' is not valid; use 'module:"),
    (
        "no module",
        written(lambda _: "python:tests.nowhere:read"),
        Misconfigured,
        "import of FROM 'tests.nowhere:read' failed with ModuleNotFoundError",
    ),
    (
        "a function of texts",
        written(lambda _: "python:tests.support.places:returns_list"),
        Misconfigured,
        "yielded a str; it must yield pyarrow.RecordBatch",
    ),
    ("a broken table", written(broken_table), BadData, "its log or one of its files is damaged"),
    (
        "a day that has no end",
        written(lambda tmp: f"{tmp}/{{dt:%Y%-m%-d}}.csv"),
        Misconfigured,
        "has '%-m' or '%-d' beside another number or '*', so that its end is unknown; write a character",
    ),
)
