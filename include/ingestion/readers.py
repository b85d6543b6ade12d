"""Readers of sources: files of several kinds, Delta Lake tables, SQL queries, Python functions.

Each yields record batches with the name of their origin. Failures become one of `include.exceptions`,
without the values that Arrow and databases quote in their messages; the cause is cut off (`from None`)
where it may quote one, as logs show causes too.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from include.contract.data import OnMissing, Reader, Source
from include.contract.day_path import days_of, names_day
from include.contract.delta import Delta
from include.contract.feed import Feed
from include.contract.own_code import own_code
from include.exceptions import BadData, FileMissing, Misconfigured
from include.ingestion import delimited, delta, excel, json_lines, sql
from include.ingestion.day_ranges import days_between
from include.ingestion.files import Period, SourceFile, find, opened, periods

if TYPE_CHECKING:
    import pyarrow as pa

    from include.ingestion.columns import TableColumns

log = logging.getLogger(__name__)


class SourceBatch(NamedTuple):
    """A batch with its origin, the days that were requested, and the days that the origin may hold."""

    origin: str
    first: date
    last: date
    covers: tuple[date, date]
    batch: pa.RecordBatch


class DaysMissing(NamedTuple):
    """Requested days for which the source has no file, and may have none."""

    first: date
    last: date


def read(
    source: Source,
    first: date,
    last: date,
    *,
    folder: Path,
    sql_url: str | None,
    columns: TableColumns | None = None,
    new_from: date | None = None,
) -> Iterator[SourceBatch | DaysMissing]:
    """Yield the rows of a source from `first` to `last`, in one pass; a path without a day is read whole.

    `columns` are those of the table, for readers that would else infer types. No file is opened for days that
    the contract skips alone.
    Raises FileMissing for a day without a file, unless the contract skips it, or it is before `new_from`;
    BadData, Misconfigured or Transient.
    """
    days = first, last
    if columns is not None:  # a reader knows the names of the source only
        time = columns.source_name_of(source.partition_by)
        source = source.model_copy(update={"partition_by": time})
    if source.reader is Reader.PYTHON:
        for batch in _python(source, first, last, folder):
            yield SourceBatch(str(source.callable), *days, days, batch)
    elif source.reader is Reader.DELTA:
        for batch in delta.read(source, first, last, folder):
            yield SourceBatch(delta.origin(source), *days, days_of(str(source.uri), first), batch)
    elif source.reader is Reader.SQL:
        for batch in sql.read(source, first, last, sql_url, columns):
            yield SourceBatch("source.query", *days, days, batch)
    else:
        for period in _periods(source, first, last):
            may_miss = source.missing is OnMissing.SKIP or (new_from is not None and period.last < new_from)
            yield from _files(source, period, folder, columns, may_miss=may_miss)


def _periods(source: Source, first: date, last: date) -> Iterator[Period]:
    """Yield the paths that hold a day which the source may have."""
    for period in periods(str(source.uri), first, last):
        if any(day not in source.skip_days for day in days_between(period.first, period.last)):
            yield period


def missing_files(source: Source, first: date, last: date, *, folder: Path) -> list[str]:
    """Return the paths that name no file, of those that hold the days from `first` to `last`."""
    return [period.uri for period in _periods(source, first, last) if not _has_files(period.uri, folder)]


def _has_files(uri: str, folder: Path) -> bool:
    try:
        return bool(find(uri, folder))
    except FileMissing:
        return False


def pinned(feed: Feed, folder: Path) -> Feed:
    """Return the feed with its source at one version, for a source that has versions.

    That is the contract's, or the newest one: what reads it more than once then reads the same rows.
    """
    source = feed.source
    if source.reader is not Reader.DELTA:
        return feed
    if source.delta.version is None:
        newest = Delta(version=delta.newest_version(source, folder))
        source = source.model_copy(update={"delta": newest})
    log.info("reading %s", delta.origin(source))
    return feed.reading(source)


def version_of(source: Source) -> str | None:
    """Return the version that is read of a source that has versions."""
    version = source.delta.version
    return None if version is None else str(version)


def _files(
    source: Source, period: Period, folder: Path, columns: TableColumns | None, *, may_miss: bool
) -> Iterator[SourceBatch | DaysMissing]:
    try:
        files = find(period.uri, folder)
    except FileMissing:
        if not may_miss:
            raise
        yield DaysMissing(period.first, period.last)
        return
    for origin, batch in read_files(source, files, columns):
        whole = _with_day(batch, source, period.first)
        yield SourceBatch(origin, period.first, period.last, period.covers, whole)


def read_files(
    source: Source, files: Sequence[SourceFile], columns: TableColumns | None = None
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of files that belong together, each batch with the name of its file."""
    if source.reader is Reader.CSV:
        return _csv(source, files, columns)
    return _READERS[source.reader](source, files)


def _with_day(batch: pa.RecordBatch, source: Source, day: date) -> pa.RecordBatch:
    """Return a batch with the day that the path alone gives, as tables partitioned by it do."""
    import pyarrow as pa

    column = source.partition_by
    if column in batch.schema.names or not names_day(str(source.uri), column):
        return batch
    return batch.append_column(column, pa.repeat(pa.scalar(day), len(batch)))


def _csv(
    source: Source, files: Sequence[SourceFile], columns: TableColumns | None
) -> Iterator[tuple[str, pa.RecordBatch]]:
    for file in files:
        yield from ((file.name, batch) for batch in delimited.read(source, file, columns))


def _parquet(_: Source, files: Sequence[SourceFile]) -> Iterator[tuple[str, pa.RecordBatch]]:
    import pyarrow.parquet as pq

    for file in files:
        with opened(file) as content:
            # Spark, Hive and Impala write times as INT96; as nanoseconds, years after 2262 would be others.
            batches = pq.ParquetFile(content, coerce_int96_timestamp_unit="us").iter_batches()
            yield from ((file.name, batch) for batch in batches)


_READERS = {
    Reader.PARQUET: _parquet,
    Reader.JSONL: json_lines.read,
    Reader.EXCEL: excel.read,
}
"""Readers of files that find the types of columns alone."""


def _python(source: Source, first: date, last: date, folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield what a function returns for the first and the last day: record batches."""
    import pyarrow as pa

    name, _, attribute = str(source.callable).partition(":")
    called, remedy = f"source.callable {source.callable!r}", "correct it, or install what it needs"
    with own_code(f"import of {called}", folder, kind=Misconfigured, remedy=remedy, sees_rows=False):
        function = getattr(importlib.import_module(name), attribute)
    for batch in _guarded(function, called, folder, first, last):
        if not isinstance(batch, pa.RecordBatch):
            raise Misconfigured(
                f"{called} yielded a {type(batch).__name__}; it must yield pyarrow.RecordBatch"
            )
        yield batch


def _guarded(
    function: Callable[[date, date], Iterable[Any]], called: str, folder: Path, *days: date
) -> Iterator[Any]:
    """Yield from a pipeline's own function; of its errors only class and line are kept."""
    code = getattr(function, "__code__", None)
    own = folder if code is None or Path(code.co_filename).is_relative_to(folder) else Path(code.co_filename)
    remedy = "correct it, or its source; raise include.exceptions.Transient for what passes by itself"
    with own_code(called, own, kind=BadData, remedy=remedy):
        given = function(*days)
    if not isinstance(given, Iterable):
        raise Misconfigured(f"{called} returned a {type(given).__name__}; it must yield pyarrow.RecordBatch")
    batches, end = iter(given), object()
    while True:
        with own_code(called, own, kind=BadData, remedy=remedy):
            batch = next(batches, end)
        if batch is end:
            return
        yield batch
