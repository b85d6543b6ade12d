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

from include.contract.data import Reader
from include.contract.pipeline import Pipeline
from include.exceptions import BadData
from include.excerpt import nearest, quote
from include.ingestion.arrow_types import plain
from include.ingestion.local_days import between, local_days
from include.ingestion.readers import DaysMissing, SourceBatch, read
from include.ingestion.sql import BATCH_ROWS
from include.ingestion.strays import Strays

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

    A day without rows is one part without a file; it `is_missing` if the source has no file for it either.
    """

    day: date
    number: int
    rows: int
    file: Path | None
    sha256: str = ""
    is_missing: bool = False


def parts(
    pipeline: Pipeline,
    first: date,
    last: date,
    *,
    folder: Path,
    scratch: Path,
    sql_url: str | None = None,
    strays: Strays | None = None,
) -> Iterator[Part]:
    """Yield every day from `first` to `last` with its rows, in order; the caller removes the files.

    `strays` counts the rows that are left out. Raises BadData, naming file, column, rule and count, if the
    source cannot be read or does not fit.
    """
    strays = strays or Strays(pipeline.source)
    while first <= last:
        end = min(last, first + timedelta(days=_MAX_DAYS_PER_PASS - 1))
        with ExitStack() as stack:
            spool = _Spool(scratch, stack, inferred=pipeline.source.reader is Reader.SQL)
            missing: set[date] = set()
            for found in read(pipeline.source, first, end, folder=folder, sql_url=sql_url):
                if isinstance(found, DaysMissing):
                    missing.update(_days(*found))
                    continue
                for day, rows in _cut(found, pipeline, strays):
                    spool.add(found.origin, day, rows)
        strays.settle()
        for day in _days(first, end):
            if day in missing:
                yield Part(day, 0, 0, None, is_missing=True)
            else:
                yield from _finished(spool.take(day), day, scratch)
        first = end + timedelta(days=1)


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


class _Spool:
    """The batches of each day, appended to files as they arrive.

    An Arrow file holds one schema: a column that is null so far has no type yet, and gets it in a further
    file. Where types are `inferred` from values, a column without values on a day stays without a type,
    whatever other days hold.
    """

    def __init__(self, scratch: Path, stack: ExitStack, *, inferred: bool) -> None:
        self._scratch = scratch
        self._stack = stack
        self._inferred = inferred
        self._types: dict[date, dict[str, Any]] = {}
        self._valued: dict[date, set[str]] = {}
        self._writers: dict[date, tuple[Any, Any]] = {}
        self._files: dict[date, list[Path]] = {}

    def add(self, origin: str, day: date, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        now = dict(zip(batch.schema.names, batch.schema.types, strict=True))
        self._types[day] = _agreed(self._types.get(day, now), now, origin)
        self._valued.setdefault(day, set()).update(name for name in now if not _is_null(batch.column(name)))
        schema, writer = self._writers.get(day, (None, None))
        if schema != batch.schema:
            schema, writer = self._writers[day] = batch.schema, self._new_file(day, batch.schema)
        writer.write_table(pa.Table.from_batches([batch]), max_chunksize=BATCH_ROWS)

    def take(self, day: date) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a day, once, a batch in memory at a time."""
        import pyarrow as pa

        schema = self._schema(day)
        for path in self._files.pop(day, []):
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    yield _in_schema(reader.get_batch(number), schema)
            path.unlink()

    def _schema(self, day: date) -> pa.Schema:
        import pyarrow as pa

        types = self._types.get(day, {})
        kept = self._valued[day] if self._inferred and types else types
        return pa.schema({name: kind if name in kept else pa.null() for name, kind in types.items()})

    def _new_file(self, day: date, schema: pa.Schema) -> Any:
        import pyarrow as pa

        files = self._files.setdefault(day, [])
        files.append(self._scratch / f"{day}-{len(files)}.arrow")
        file = self._stack.enter_context(pa.OSFile(str(files[-1]), "wb"))
        return self._stack.enter_context(pa.ipc.new_file(file, schema))


def _is_null(column: pa.Array) -> bool:
    return bool(column.null_count == len(column))


def _in_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in the column order of a day; columns without values take their type."""
    import pyarrow as pa

    columns = [
        pa.nulls(len(batch), field.type) if _is_null(batch.column(field.name)) else batch.column(field.name)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _agreed(before: Mapping[str, Any], now: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return the type of each column, where null yields to any; raises BadData if two parts disagree."""
    import pyarrow as pa

    agreed = {}
    for name in {**before, **now}:
        types = [kind for kind in (before.get(name), now.get(name)) if kind != pa.null()]
        if len(set(map(str, types))) > 1:
            shown = " and ".join(str(kind) if kind else "absent" for kind in types)
            raise BadData(f"{origin}: column {name!r} is {shown} in parts of the same day; give it one type")
        agreed[name] = types[0] if types else pa.null()
    return agreed


def _finished(batches: Iterator[pa.RecordBatch], day: date, scratch: Path) -> Iterator[Part]:
    """Yield a day's rows as Parquet files: the same rows give the same bytes."""
    groups = _groups(batches)
    for number in count():
        part = _written(islice(groups, _GROUPS_PER_PART), day, number, scratch)
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


def _written(groups: Iterator[pa.Table], day: date, number: int, scratch: Path) -> Part:
    import pyarrow.parquet as pq

    first = next(groups, None)
    if first is None:
        return Part(day, number, 0, None)
    file, rows = scratch / f"{day}-{number}.parquet", 0
    # Checksums: a reader of some columns fetches ranges, which no checksum of the whole object covers.
    with pq.ParquetWriter(file, first.schema, compression="zstd", write_page_checksum=True) as writer:
        for group in chain([first], groups):
            writer.write_table(group)
            rows += group.num_rows
    with file.open("rb") as content:
        return Part(day, number, rows, file, hashlib.file_digest(content, "sha256").hexdigest())


def _cut(found: SourceBatch, pipeline: Pipeline, strays: Strays) -> Iterator[tuple[date, pa.RecordBatch]]:
    """Yield a batch's rows by local day, and count the rows that do not belong."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _check_columns(found, pipeline)
    rows = plain(found.batch.drop_columns(pipeline.privacy.drop), found.origin)
    days = local_days(found._replace(batch=rows), pipeline.source)
    strays.count(found, days)
    inside = between(days, found.first, found.last)
    for day in sorted(pc.unique(pc.filter(days, inside)).to_pylist()):
        yield day, rows.filter(pc.equal(days, pa.scalar(day)))


def _check_columns(found: SourceBatch, pipeline: Pipeline) -> None:
    """Raise BadData for missing and repeated columns.

    Names are quoted only where they are certainly names: without a header they are values of the first row.
    """
    names = found.batch.schema.names
    required = {"source.partition_by": [pipeline.source.partition_by], "privacy.drop": pipeline.privacy.drop}
    for key, columns in required.items():
        if missing := [name for name in columns if name not in names]:
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
