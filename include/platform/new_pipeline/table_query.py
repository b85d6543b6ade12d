"""Queries of one table of a database: its rows, those of some days, its newest time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.exceptions import Misconfigured
from include.excerpt import quote

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Dialect

_PLAIN = re.compile(r"[\w$#@ -]+")
"""Names that mean the same within quotation marks in every database, and hold no parameter."""


def whole_query(table: str, url: str) -> str:
    """Return a query for all rows; raises Misconfigured for a name that cannot be one of a table."""
    return f"select * from {_table(table, _dialect(url))}"  # noqa: S608 - checked and quoted


def newest_query(table: str, column: str, url: str) -> str:
    """Return a query for the newest time."""
    dialect = _dialect(url)
    return f"select max({_name(column, dialect)}) as newest from {_table(table, dialect)}"  # noqa: S608


def days_query(table: str, column: str, kind: pa.DataType, url: str) -> str:
    """Return a query for the rows from `:start` to `:end`, by a column of an Arrow type.

    Raises Misconfigured where the database cannot compare such a column with a time.
    """
    dialect = _dialect(url)
    name, start, end = _compared(_name(column, dialect), kind, dialect)
    return f"{whole_query(table, url)} where {name} >= {start} and {name} < {end}"


def _compared(name: str, kind: pa.DataType, dialect: Dialect) -> tuple[str, str, str]:
    """Return how a column, the start and the end are written, so that they mean moments in UTC."""
    import pyarrow as pa

    if dialect.name == "sqlite" and pa.types.is_string(kind):  # it has no type for times: text is compared
        return f"datetime({name})", "datetime(:start)", "datetime(:end)"
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise Misconfigured(
            f"TABLE: the time column {name} is {kind} in the database, which is not compared with times; "
            "write QUERY with a condition that casts it, between ':start' and ':end'"
        )
    if dialect.name == "postgresql" and not (pa.types.is_timestamp(kind) and kind.tz):
        # Else PostgreSQL takes the column as times in the zone of the session.
        return name, "(:start at time zone 'UTC')", "(:end at time zone 'UTC')"
    return name, ":start", ":end"


def _table(table: str, dialect: Dialect) -> str:
    return ".".join(_name(part, dialect, "TABLE") for part in table.split("."))


def _name(name: str, dialect: Dialect, variable: str = "TIME") -> str:
    if not _PLAIN.fullmatch(name):
        raise Misconfigured(
            f"{variable}: {quote(name)} cannot be written into a query as a name; use letters, digits, '_', "
            "'-' and blanks, or write QUERY"
        )
    return str(dialect.identifier_preparer.quote(name))


def _dialect(url: str) -> Dialect:
    from sqlalchemy import exc, make_url

    try:
        return make_url(url).get_dialect()()
    except (exc.ArgumentError, exc.NoSuchModuleError, ValueError):
        raise Misconfigured(
            "FROM: the connection is of no database that SQLAlchemy knows here; correct its type, or install "
            "its package"
        ) from None
