"""Reading a source, and cutting its rows into partitions.

Whatever the reader, rows come as record batches, one pass over the source for a whole range of days, in
memory that does not grow with it. The bytes of a partition depend on its rows alone, so reading the same
rows again, alone or among others, is seen to be the same.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from include.exceptions import BadData, Misconfigured
from include.spec import Pipeline, Reader, Source

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_A_GROUP = 100_000
_DAYS_A_PASS = 366
"""One temporary file a day is open at once: a longer range reads the source once for so many days."""


@dataclass(frozen=True)
class Partition:
    """A day's rows in one Parquet file; no file where there are no rows. `sha256` is of the file."""

    day: date
    rows: int
    file: Path | None
    sha256: str = ""


def partitions(
    spec: Pipeline, first: date, last: date, *, folder: Path, scratch: Path, sql_url: str | None = None
) -> Iterator[Partition]:
    """Every day from `first` to `last` with its rows, in order; the file is the caller's until the next.

    Raises BadData, naming file, column, rule and count, if the source cannot be read or does not fit.
    """
    while first <= last:
        end = min(last, first + timedelta(days=_DAYS_A_PASS - 1))
        with ExitStack() as stack:
            spool = _Spool(scratch, stack)
            for batch in _batches(spec.source, first, end, folder, sql_url):
                spool.add(_cut(batch, spec, first, end))
        while first <= end:
            yield _finished(spool, first, scratch)
            first += timedelta(days=1)


class _Spool:
    """One file a day, to which batches are appended as they come."""

    def __init__(self, scratch: Path, stack: ExitStack) -> None:
        self._scratch = scratch
        self._stack = stack
        self._writers: dict[date, Any] = {}
        self._schemas: dict[date, Any] = {}

    def path(self, day: date) -> Path:
        return self._scratch / f"{day}.arrow"

    def add(self, cut: Iterator[tuple[date, pa.RecordBatch]]) -> None:
        import pyarrow as pa

        for day, batch in cut:
            if day not in self._writers:
                file = pa.OSFile(str(self.path(day)), "wb")
                self._stack.callback(file.close)
                self._writers[day] = self._stack.enter_context(pa.ipc.new_file(file, batch.schema))
                self._schemas[day] = batch.schema
            _same_types(self._schemas[day], batch.schema)
            self._writers[day].write_batch(batch)

    def table(self, day: date) -> pa.Table | None:
        import pyarrow as pa

        if day not in self._writers:
            return None
        with pa.memory_map(str(self.path(day))) as file:
            return pa.ipc.open_file(file).read_all()


def _finished(spool: _Spool, day: date, scratch: Path) -> Partition:
    """Turn a day's spool into its Parquet file: the same rows, the same bytes."""
    import pyarrow.parquet as pq

    table = spool.table(day)
    if table is None or table.num_rows == 0:
        return Partition(day, 0, None)
    file = scratch / "part-0.parquet"
    plain = table.combine_chunks().replace_schema_metadata(None)  # pandas notes its version there
    pq.write_table(plain, file, compression="zstd", row_group_size=_ROWS_A_GROUP)
    spool.path(day).unlink()
    with file.open("rb") as content:
        return Partition(day, table.num_rows, file, hashlib.file_digest(content, "sha256").hexdigest())


def _cut(
    batch: pa.RecordBatch, spec: Pipeline, first: date, last: date
) -> Iterator[tuple[date, pa.RecordBatch]]:
    """Split a batch by local day; a file of the whole history may hold others, other readers may not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = _local_days(batch, spec.source)
    outside = pc.or_(pc.less(days, pa.scalar(first)), pc.greater(days, pa.scalar(last)))
    strangers = pc.sum(pc.fill_null(outside, True)).as_py() or 0
    if strangers and not _holds_other_days(spec.source):
        raise BadData(
            f"{strangers} of {batch.num_rows} rows have a {spec.source.partition_by!r} outside of "
            f"{first} … {last} ({spec.source.timezone}); the source must give the days it is asked for"
        )
    kept = batch.drop_columns([name for name in spec.privacy.drop if name in batch.schema.names])
    for day in sorted(set(pc.drop_null(days).to_pylist())):
        if first <= day <= last:
            yield day, kept.filter(pc.equal(days, pa.scalar(day)))


def _local_days(batch: pa.RecordBatch, source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if source.partition_by not in batch.schema.names:
        raise BadData(
            f"column {source.partition_by!r} (source.partition_by) is missing; "
            f"the source has {', '.join(batch.schema.names)}"
        )
    column = batch.column(source.partition_by)
    try:
        moments = column if pa.types.is_timestamp(column.type) else column.cast(pa.timestamp("us"))
        if moments.type.tz:
            moments = pc.local_timestamp(moments.cast(pa.timestamp("us", source.timezone)))
        return moments.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadData(
            f"column {source.partition_by!r} of type {column.type} cannot be read as time; "
            "write time stamps, or text such as '2013-01-01 05:00:00'"
        ) from error


def _holds_other_days(source: Source) -> bool:
    """Whether a source may rightly hold more days than it is asked for: a file of the whole history."""
    return source.reader in (Reader.CSV, Reader.PARQUET) and "{dt}" not in str(source.uri)


def _same_types(before: Any, now: Any) -> None:
    for field in now:
        at = before.get_field_index(field.name)
        known = before.field(at).type if at >= 0 else None
        if known != field.type:
            raise BadData(
                f"column {field.name!r} is {known or 'absent'} in one part of the source and {field.type} "
                "in another; give it one type"
            )


def _batches(
    source: Source, first: date, last: date, folder: Path, sql_url: str | None
) -> Iterator[pa.RecordBatch]:
    if source.reader is Reader.PYTHON:
        yield from _python(source, first, last)
    elif source.reader is Reader.SQL:
        yield from _sql(source, first, last, sql_url)
    else:
        read = _csv if source.reader is Reader.CSV else _parquet
        for uri in _uris(source, first, last):
            yield from read(uri, folder)


def _uris(source: Source, first: date, last: date) -> list[str]:
    uri = str(source.uri)
    if "{dt}" not in uri:
        return [uri]
    return [uri.replace("{dt}", str(first + timedelta(days=n))) for n in range((last - first).days + 1)]


@contextmanager
def _opened(uri: str, folder: Path) -> Iterator[Any]:
    """A file of any file system that Arrow knows; a plain path is relative to the pipeline's folder."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        system, path = (
            fs.FileSystem.from_uri(uri) if "://" in uri else (fs.LocalFileSystem(), str(folder / uri))
        )
        with system.open_input_file(path) as file:
            if file.size() == 0:
                raise BadData(f"{uri!r} is empty: 0 bytes; deliver the file again")
            yield file
    except FileNotFoundError as error:
        raise BadData(f"{uri!r} does not exist; deliver it, or correct source.uri") from error
    except UnicodeDecodeError as error:
        raise BadData(f"{uri!r} is not UTF-8 at byte {error.start}; convert it") from error
    except pa.ArrowInvalid as error:
        raise BadData(f"{uri!r} cannot be read: {_first_line(error)}") from error


def _csv(uri: str, folder: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv

    with _opened(uri, folder) as file, csv.open_csv(file) as reader:
        yield from (batch for batch in reader if batch.num_rows)


def _parquet(uri: str, folder: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with _opened(uri, folder) as file:
        yield from pq.ParquetFile(file).iter_batches()


def _sql(source: Source, first: date, last: date, url: str | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from sqlalchemy import create_engine, text

    if url is None:
        raise Misconfigured("reader 'sql' needs the URL of source.conn_id")
    zone = ZoneInfo(source.timezone)
    span = {
        "start": datetime.combine(first, time(), zone),
        "end": datetime.combine(last + timedelta(days=1), time(), zone),
    }
    engine = create_engine(url)
    try:
        with engine.connect().execution_options(stream_results=True, yield_per=_ROWS_A_GROUP) as connection:
            for rows in connection.execute(text(str(source.query)), span).mappings().partitions():
                yield from pa.Table.from_pylist([dict(row) for row in rows]).to_batches()
    finally:
        engine.dispose()


def _python(source: Source, first: date, last: date) -> Iterator[pa.RecordBatch]:
    name, _, attribute = str(source.callable).partition(":")
    try:
        function = getattr(importlib.import_module(name), attribute)
    except (ImportError, AttributeError) as error:
        raise Misconfigured(f"source.callable {source.callable!r} cannot be imported: {error}") from error
    yield from function(first, last)


def _first_line(error: Exception) -> str:
    """What went wrong without the values that Arrow's message quotes after it."""
    return str(error).splitlines()[0].split(": ")[0][:200]
