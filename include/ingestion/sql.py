"""Reader of databases: the rows of one query, in a transaction that cannot write and is always rolled back.

What a database cannot forbid (see docs/pipelines.md) is undone with the transaction, as far as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote
from zoneinfo import ZoneInfo

from include.contract.data import Source
from include.exceptions import BadData, Misconfigured
from include.excerpt import quote
from include.floats import MAX_EXACT
from include.ingestion import sql_errors

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import URL, Connection

    from include.ingestion.columns import TableColumns

BATCH_ROWS = 100_000
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
"""What keeps a session from writing. PostgreSQL's transactions are begun as read-only: a pooler between may
give a session, and what was set for it, to others."""


def read(
    source: Source, first: date, last: date, url: str | None, columns: TableColumns | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query from `first` to `last`; without any, one batch of no rows with the columns.

    Raises Misconfigured for a query or a connection that cannot work, BadData for values, Unauthorized, or
    Unavailable and Transient where a retry may help.
    """
    from sqlalchemy import text

    zone = ZoneInfo(source.timezone)
    span = {
        "start": datetime.combine(first, time(), zone),
        "end": datetime.combine(last + timedelta(days=1), time(), zone),
    }
    if url is None:
        raise Misconfigured("reader 'sql' needs the URL of source.conn_id")
    place = sql_errors.Place.of(url, str(source.conn_id))
    with _connected(url, place) as connection, sql_errors.of_query(place):
        answer = connection.execute(text(str(source.query)), span)
        if not answer.returns_rows:
            raise Misconfigured("source.query returns no rows; write a query such as 'select … from …'")
        names, batch = [str(name) for name in answer.keys()], None  # noqa: SIM118 - not a mapping
        for rows in answer.partitions(BATCH_ROWS):  # without a size, one row each
            yield (batch := typed(names, rows, columns))
        if batch is None:
            yield typed(names, [], columns)


@contextmanager
def _connected(url: str, place: sql_errors.Place) -> Iterator[Connection]:
    from sqlalchemy import create_engine, make_url

    with sql_errors.of_connection(place):
        engine = create_engine(_existing_file(make_url(url)))
    try:
        with sql_errors.of_connection(place):
            connection = engine.connect()
        with connection:  # closing it rolls back
            with sql_errors.of_connection(place):
                _forbid_writing(connection)
            yield connection
    finally:
        engine.dispose()


def _existing_file(url: URL) -> URL:
    """Return the URL so that a file of SQLite is only read; else a missing one would be created."""
    if url.drivername not in ("sqlite", "sqlite+pysqlite") or url.database in (None, "", ":memory:"):
        return url
    path = str(url.database)
    file = path if path.startswith("file:") else f"file:{url_quote(path)}"
    return url.set(database=file).update_query_dict({"mode": "ro", "uri": "true"})


def _forbid_writing(connection: Connection) -> None:
    connection.execution_options(stream_results=True, yield_per=BATCH_ROWS)
    if connection.dialect.name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
    elif statement := _READ_ONLY.get(connection.dialect.name):
        connection.exec_driver_sql(statement)
        connection.rollback()  # the next transaction is the first that cannot write


def typed(names: Sequence[str], rows: Sequence[Any], columns: TableColumns | None = None) -> pa.RecordBatch:
    """Return rows as a batch. Types are inferred from values, so those that vary with them are unified."""
    import pyarrow as pa

    arrays = [
        _column(name, [row[number] for row in rows], is_known=_is_known(name, columns))
        for number, name in enumerate(names)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _is_known(name: str, columns: TableColumns | None) -> bool:
    return columns is not None and columns.wanted(columns.name_of(name)) is not None


def _column(name: str, values: list[Any], *, is_known: bool) -> pa.Array:
    import pyarrow as pa

    try:
        column = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        fault = "mixes" if len(kinds) > 1 else "holds values that no type of column can hold, of type"
        raise BadData(
            f"source.query: column {quote(name)} {fault} {', '.join(kinds)}; cast it in the query"
        ) from None
    if pa.types.is_decimal(column.type) and not is_known:  # the guess has the digits of the longest value
        column = _as_floats(name, column)
    if pa.types.is_timestamp(column.type) and column.type.tz:  # and the zone of the first
        column = column.cast(pa.timestamp("us", "UTC"))
    return column


def _as_floats(name: str, column: pa.Array) -> pa.Array:
    """Return decimals as floats; raises BadData for those of so many digits that they would be others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    floats = column.cast(pa.float64())
    keys = pc.greater_equal(pc.abs(floats), float(MAX_EXACT))
    if pc.any(keys).as_py():
        raise BadData(
            f"source.query: column {quote(name)} holds {pc.sum(keys).as_py()} decimals of more digits than a "
            f"float keeps; write columns.{name} of the contract, as 'decimal(20,0)', or cast it in the query"
        )
    return floats
