"""Wrong queries, as `tests/ingestion/test_sql.py` lists them, and what comes before a query is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from include.exceptions import BadData, Misconfigured, PipelineInvalid
from tests.ingestion.test_sql import SQLITE_FAULTS, database, rows_of, sql_pipeline
from tests.support.pipeline import orders
from tests.wrong_inputs.table import MARK, NUMBER, rows


def query(text: str) -> Callable[[Path], object]:
    """Run a query on a database that holds marks."""

    def give(tmp: Path) -> None:
        marked = [{**row, "kind": MARK, "amount": NUMBER} for row in orders(0)]
        rows_of(sql_pipeline(tmp, text), database(tmp, marked))

    return give


def url(text: str) -> Callable[[Path], object]:
    return lambda tmp: rows_of(sql_pipeline(tmp), text.format(tmp=tmp))


def no_database(tmp: Path) -> None:
    (tmp / "shop.db").write_text(MARK * 1000)
    rows_of(sql_pipeline(tmp), f"sqlite:///{tmp}/shop.db")


WRONG = rows(
    "query",
    *((text, query(text), kind, message) for text, kind, message in SQLITE_FAULTS),
    ("empty", query(" "), PipelineInvalid, "source.query"),
    ("an insert", query("insert into orders (id) values (1)"), PipelineInvalid, "begins with 'insert'"),
    ("a drop", query("drop table orders"), PipelineInvalid, "begins with 'drop'"),
    ("a pragma", query("pragma writable_schema = 1"), PipelineInvalid, "begins with 'pragma'"),
    ("two", query("select 1; delete from orders"), PipelineInvalid, "holds more than one statement"),
    ("a file", query("select 1 into outfile 'x'"), PipelineInvalid, "writes a file on the database's server"),
    ("a parameter", query("select :day"), PipelineInvalid, "has the parameter ':day'"),
    ("mixed types", query("select 1 as a union all select 'x'"), BadData, "column 'a' mixes int, str"),
    ("not a database", no_database, Misconfigured, "is refused"),
    ("not a URL", url("nonsense hunter2"), Misconfigured, "cannot be opened by SQLAlchemy"),
    ("an unknown database", url("nosuch://h/db"), Misconfigured, "cannot be opened by SQLAlchemy"),
)
