"""What FROM names other than files: a Delta Lake table, a query or a table of a database, a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from include.contract.data import Reader, Source
from include.exceptions import MillraceError, Misconfigured
from include.excerpt import excerpt, quote
from include.ingestion.delta import is_table, newest_value, newest_version
from include.ingestion.readers import read
from include.platform.new_pipeline.origin import uri_of
from include.platform.new_pipeline.table_query import days_query, newest_query, whole_query
from include.platform.source_urls import url_of

if TYPE_CHECKING:
    import pyarrow as pa

_PREFIX = re.compile(r"(sql|python):(?!//)(.*)", re.DOTALL)
_OF_FROM = ("source.uri", "source.conn_id", "source.callable", "source.reader")
UNKNOWN = "-"
"""Stands for the time column until it is found."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person says beside FROM; `sql_url` returns the URL of an Airflow connection."""

    query: str = ""
    table: str = ""
    first: date | None = None
    last: date | None = None
    sql_url: Callable[[str], str] = url_of


@dataclass(frozen=True, kw_only=True)
class Place:
    """A source that is read by days; `name` is what messages call it.

    `table` is set for a table of a database, whose query follows from its time column, and `version` for a
    Delta Lake table.
    """

    name: str
    source: Source
    url: str | None = field(default=None, repr=False)
    table: str = ""
    version: int | None = None

    @property
    def knows_newest(self) -> bool:
        """Whether the source itself says which day is its last."""
        return bool(self.table) or self.version is not None

    def timed(self, column: str, kind: Any) -> Place:
        """Return the place with its time column, which is of an Arrow type.

        Raises Misconfigured where a query cannot compare such a column with a time.
        """
        changes: dict[str, Any] = {"partition_by": column}
        if self.table:
            changes["query"] = days_query(self.table, column, kind, str(self.url))
        return replace(self, source=_checked({**_keys(self.source), **changes}))

    def rows(self, first: date, last: date) -> Generator[Any]:
        """Yield the batches of the days from the first to the last, and maybe of others."""
        yield from read(self.source, first, last, folder=Path(), sql_url=self.url)

    def newest(self) -> pa.RecordBatch:
        """Return a batch of one row and one column, the newest time; `timed` comes before."""
        if self.version is not None:
            return newest_value(self.source, Path())
        query = newest_query(self.table, self.source.partition_by, str(self.url))
        any_day = date(2024, 1, 1)
        with closing(replace(self, source=_with(self.source, query=query)).rows(any_day, any_day)) as found:
            return next(found).batch


def place_of(given: str, asked: Asked) -> Place | None:
    """Return the place that FROM stands for; None if it stands for files.

    Raises Misconfigured for variables that do not go together.
    """
    if asked.first and asked.last and asked.first > asked.last:
        raise Misconfigured(f"FIRST={asked.first} is after LAST={asked.last}; set the earlier day as FIRST")
    found = _PREFIX.fullmatch(given.strip())
    kind, rest = (found[1], found[2].strip()) if found else ("", "")
    if kind != "sql" and (asked.query or asked.table):
        raise Misconfigured("QUERY and TABLE are for FROM=sql:<connection>; leave them out, or correct FROM")
    if kind == "sql":
        return _database(rest, asked)
    if kind == "python":
        return Place(name=quote(rest), source=_checked({"reader": Reader.PYTHON, "callable": rest}))
    return _delta(given)


def _database(conn_id: str, asked: Asked) -> Place:
    if bool(asked.query) == bool(asked.table):
        raise Misconfigured(
            "FROM=sql:<connection> takes one of QUERY and TABLE; name a table, as in TABLE=orders, or write "
            'QUERY="select … from … where created >= :start and created < :end"'
        )
    if asked.query and not all(
        re.search(rf"(?<![:\\\w]):{name}\b", asked.query) for name in ("start", "end")
    ):
        raise Misconfigured(
            "QUERY has no ':start' and ':end', between which it has to return the rows; write, for instance, "
            "'… where created >= :start and created < :end', or name the table as TABLE"
        )
    checked = _checked({"reader": Reader.SQL, "conn_id": conn_id, "query": asked.query or "select 1"})
    url = asked.sql_url(conn_id)
    if asked.table:
        checked = _with(checked, query=whole_query(asked.table, url))
    name = quote(f"table {asked.table}") if asked.table else "QUERY"
    return Place(name=name, source=checked, url=url, table=asked.table)


def _delta(given: str) -> Place | None:
    if any(mark in given for mark in "*{") or given.startswith(("http://", "https://")) or not given.strip():
        return None
    uri = given.rstrip("/") if "://" in given else uri_of(given)
    if not is_table(uri):
        return None
    source = _checked({"reader": Reader.DELTA, "uri": uri})
    version = newest_version(source, Path())
    return Place(name=quote(uri), source=_with(source, delta={"version": version}), version=version)


def _keys(source: Source) -> dict[str, Any]:
    return source.model_dump(exclude_unset=True)


def _with(source: Source, **changes: Any) -> Source:
    return _checked({**_keys(source), **changes})


def _checked(keys: dict[str, Any]) -> Source:
    """Return a source; raises Misconfigured with the variables that its keys come from."""
    try:
        return Source.model_validate({"partition_by": UNKNOWN, **keys})
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
    variables = {"query": "QUERY", "conn_id": "FROM", "callable": "FROM", "uri": "FROM"}
    raise Misconfigured(
        "; ".join(
            f"{variables.get(key, key or 'FROM')}: {excerpt(text.removeprefix('Value error, '))}"
            for key, text in found
        )
    )


@contextmanager
def in_words_of_the_command(asked: Asked) -> Iterator[None]:
    """Let errors speak of the variables of the command where they speak of the contract's keys."""
    try:
        yield
    except MillraceError as error:
        text = str(error).replace("source.query", "the query of TABLE" if asked.table else "QUERY")
        for key in _OF_FROM:
            text = text.replace(key, "FROM")
        error.args = (text, *error.args[1:])
        raise
