"""Partitioner: cut the rows of a source into the parts of partitions.

Rows arrive as record batches, in one pass over the source for a whole range of days, in memory that grows
neither with the range nor with a day. The bytes of a part depend on the day's rows alone, so the same rows,
read again alone or among others, give the same parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contract.feed import Feed
from include.exceptions import BadData
from include.excerpt import nearest, quote
from include.ingestion.arrow_types import plain
from include.ingestion.casting import cast
from include.ingestion.columns import TableColumns
from include.ingestion.day_ranges import days_between
from include.ingestion.local_days import between, local_days
from include.ingestion.readers import DaysMissing, SourceBatch, read
from include.ingestion.sql import BATCH_ROWS
from include.ingestion.strays import Strays
from include.ingestion.type_names import type_name
from include.lake.exact import common_type

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_DAYS_PER_PASS = 366
"""One temporary file a day is open at once: a longer range takes several passes over the source."""
_MAX_NAMED = 10
_GROUPS_PER_PART = 10
"""Row groups of `BATCH_ROWS` rows in a file: a million rows."""


@dataclass(frozen=True)
class Part:
    """The next rows of a day in a Parquet file of its own; `sha256` is of the file.

    A day without rows is one part without a file; it `is_missing` if that does not say that it has none: the
    source has no file for it, or it is read again.
    """

    day: date
    number: int
    rows: int
    file: Path | None
    sha256: str = ""
    is_missing: bool = False


def parts(
    feed: Feed,
    first: date,
    last: date,
    *,
    folder: Path,
    scratch: Path,
    sql_url: str | None = None,
    columns: TableColumns | None = None,
    strays: Strays | None = None,
    new_from: date | None = None,
) -> Iterator[Part]:
    """Yield every day from `first` to `last` with its rows, in order; the caller removes the files.

    Days that the source will never have (`source.skip_days`) are left out; those before `new_from` are read
    again.

    `columns` are those of the table; they learn the types of new ones. Without any, the table has none yet.
    `strays` counts the rows that are left out. Raises BadData, naming file, column, rule and count, if the
    source cannot be read or does not fit.
    """
    columns = columns or TableColumns.of(feed, folder)
    strays = strays or Strays(feed.source, feed.at)
    while first <= last:
        end = min(last, first + timedelta(days=_MAX_DAYS_PER_PASS - 1))
        with ExitStack() as stack:
            spool = _Spool(scratch, stack, columns)
            missing: set[date] = set()
            for found in read(
                feed.source,
                first,
                end,
                folder=folder,
                sql_url=sql_url,
                columns=columns,
                new_from=new_from,
            ):
                if isinstance(found, DaysMissing):
                    missing.update(days_between(*found))
                    continue
                for day, rows in _cut(found, feed, columns, strays):
                    spool.add(found.origin, day, rows)
        columns.refuse()
        strays.settle()
        if new_from is not None:
            missing.update(day for day in days_between(first, end) if day < new_from and day not in spool)
        for day in days_between(first, end):
            if day in feed.source.skip_days:
                continue
            if day in missing:
                yield Part(day, 0, 0, None, is_missing=True)
            else:
                yield from _finished(spool.take(day), day, scratch, columns)
        first = end + timedelta(days=1)


class _Spool:
    """The batches of each day, appended to files as they arrive.

    An Arrow file holds one schema: a column whose type is found later, or grows, gets it in a further file.
    All days of a pass get the same types.
    """

    def __init__(self, scratch: Path, stack: ExitStack, columns: TableColumns) -> None:
        self._scratch = scratch
        self._stack = stack
        self._columns = columns
        self._types: dict[str, Any] = dict(columns.learned)  # of earlier passes
        self._names: dict[date, dict[str, Any]] = {}
        self._writers: dict[date, tuple[Any, Any]] = {}
        self._files: dict[date, list[Path]] = {}

    def add(self, origin: str, day: date, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        now = dict(zip(batch.schema.names, batch.schema.types, strict=True))
        if odd := sorted(self._names.setdefault(day, now).keys() ^ now.keys()):
            raise BadData(
                f"{origin}: column {quote(odd[0])} is only in some parts of the same day; correct the source"
            )
        self._types = _agreed(self._types, now, origin)
        self._columns.learn({name: self._types[name] for name in now})
        # In the types so far, which only grow: batches that alternate would open a file each.
        batch = _in_schema(batch, pa.schema({name: self._types[name] for name in self._names[day]}))
        schema, writer = self._writers.get(day, (None, None))
        if schema != batch.schema:
            schema, writer = self._writers[day] = batch.schema, self._new_file(day, batch.schema)
        writer.write_table(pa.Table.from_batches([batch]), max_chunksize=BATCH_ROWS)

    def __contains__(self, day: date) -> bool:
        return day in self._files

    def take(self, day: date) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a day, once, a batch in memory at a time."""
        import pyarrow as pa

        schema = pa.schema({name: self._types[name] for name in self._names.get(day, {})})
        for path in self._files.pop(day, []):
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    yield _in_schema(reader.get_batch(number), schema)
            path.unlink()

    def _new_file(self, day: date, schema: pa.Schema) -> Any:
        import pyarrow as pa

        files = self._files.setdefault(day, [])
        files.append(self._scratch / f"{day}-{len(files)}.arrow")
        file = self._stack.enter_context(pa.OSFile(str(files[-1]), "wb"))
        return self._stack.enter_context(pa.ipc.new_file(file, schema))


def _in_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in the column order and the types of a day.

    Raises BadData if a number would become another by a type that other rows need.
    """
    import pyarrow as pa

    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        found = cast(batch.column(name), kind, form=None)
        if found.odd is not None:
            narrower, wider = type_name(batch.schema.field(name).type), type_name(kind)
            raise BadData(
                f"source: column {quote(name)} is {narrower} in some rows and {wider} in others, as which "
                f"{found.odd.true_count} value(s) would change; write columns.{name} of the contract, "
                "as 'string' for a key"
            )
        columns.append(found.values)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _agreed(before: Mapping[str, Any], now: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return the type of each column, which holds the values of both; raises BadData if none does."""
    agreed = dict(before)
    for name, kind in now.items():
        known = before.get(name, kind)
        if (both := common_type(known, kind)) is None:
            raise BadData(
                f"{origin}: column {quote(name)} is {type_name(kind)}, and {type_name(known)} in other rows "
                f"of the source; give it one type, or write columns.{name} of the contract"
            )
        agreed[name] = both
    return agreed


def _finished(
    batches: Iterator[pa.RecordBatch], day: date, scratch: Path, columns: TableColumns
) -> Iterator[Part]:
    """Yield a day's rows as Parquet files: the same rows give the same bytes."""
    groups = _groups(batches)
    for number in count():
        part = _written(islice(groups, _GROUPS_PER_PART), day, number, scratch, columns)
        if part.file or number == 0:
            yield part
        if not part.file:
            return


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows in tables of `BATCH_ROWS` (the last may be smaller), however they were batched."""
    import pyarrow as pa

    held, free = [], BATCH_ROWS
    for batch in batches:
        while batch.num_rows:
            held.append(batch.slice(0, free))
            batch, free = batch.slice(held[-1].num_rows), free - held[-1].num_rows
            if free == 0:
                yield pa.Table.from_batches(held).combine_chunks()
                held, free = [], BATCH_ROWS
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def _written(
    groups: Iterator[pa.Table], day: date, number: int, scratch: Path, columns: TableColumns
) -> Part:
    import pyarrow.parquet as pq

    first = next(groups, None)
    if first is None:
        return Part(day, number, 0, None)
    file, rows = scratch / f"{day}-{number}.parquet", 0
    # Checksums: a reader of some columns fetches ranges, which no checksum of the whole object covers.
    schema = columns.marked(first.schema)
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for group in chain([first], groups):
            writer.write_table(group)
            rows += group.num_rows
    with file.open("rb") as content:
        return Part(day, number, rows, file, hashlib.file_digest(content, "sha256").hexdigest())


def _cut(
    found: SourceBatch, feed: Feed, columns: TableColumns, strays: Strays
) -> Iterator[tuple[date, pa.RecordBatch]]:
    """Yield a batch's rows by local day, and count the rows that do not belong."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if (rows := rows_of(found, feed, columns)) is None:
        return
    days = local_days(found._replace(batch=rows), feed.source)
    strays.count(found, days)
    inside = between(days, found.first, found.last)
    there: set[date] = set(pc.unique(pc.filter(days, inside)).to_pylist())
    for day in sorted(there - set(feed.source.skip_days)):
        yield day, rows.filter(pc.equal(days, pa.scalar(day)))


def rows_of(found: SourceBatch, feed: Feed, columns: TableColumns) -> pa.RecordBatch | None:
    """Return the rows of a batch as the table holds them; None if they do not fit, see `TableColumns.apply`.

    Raises BadData for missing and repeated columns.
    """
    _check_columns(found, feed, columns)
    dropped = [name for name in feed.dropped if name in found.batch.schema.names]
    kept = plain(found.batch.drop_columns(dropped), found.origin)
    return columns.apply(kept, found.origin, found.covers)


def _check_columns(found: SourceBatch, feed: Feed, columns: TableColumns) -> None:
    """Raise BadData for missing and repeated columns.

    Names are quoted only where they are certainly names: without a header they are values of the first row.
    Where there are two tables, what is dropped need not be in both.
    """
    names = found.batch.schema.names
    time = columns.source_name_of(feed.source.partition_by)
    dropped = feed.dropped if feed.partner is None else ()
    required = {f"{feed.at}source.partition_by": (time,), "privacy.drop": dropped}
    for key, needed in required.items():
        if missing := [name for name in needed if name not in names]:
            raise BadData(
                f"{found.origin}: column {quote(missing[0])} ({key}) is missing among the {len(names)} "
                f"columns; {nearest(missing[0], names)}correct {key}, or the source"
            )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        shown = ", ".join(map(quote, twice[:_MAX_NAMED]))
        raise BadData(
            f"{found.origin}: {len(twice)} column name(s) occur twice: {shown}; give each column "
            "a name of its own"
        )
