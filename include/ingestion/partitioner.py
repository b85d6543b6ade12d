"""Cutting the rows of a source into the parts of partitions.

Whatever the reader, rows come as record batches, one pass over the source for a whole range of days, in
memory that grows neither with the range nor with a day. The bytes of a part depend on the day's rows alone,
so reading the same rows again, alone or among others, is seen to be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from itertools import chain, count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contract.data import Reader, Source
from include.contract.pipeline import Pipeline
from include.exceptions import BadData
from include.ingestion.readers import BATCH_ROWS, SourceBatch, holds_other_days, misfits, read

if TYPE_CHECKING:
    import pyarrow as pa

_DAYS_A_PASS = 366
"""One temporary file a day is open at once: a longer range reads the source once for so many days."""
_GROUPS_A_PART = 10
"""Row groups of `ROWS_AT_ONCE` in a file: a million rows."""


@dataclass(frozen=True)
class Part:
    """The next rows of a day in a Parquet file of its own; `sha256` is of the file.

    A day without rows is one part without a file.
    """

    day: date
    number: int
    rows: int
    file: Path | None
    sha256: str = ""


def parts(
    spec: Pipeline, first: date, last: date, *, folder: Path, scratch: Path, sql_url: str | None = None
) -> Iterator[Part]:
    """Every day from `first` to `last` with its rows, in order; the files are the caller's to remove.

    Raises BadData, naming file, column, rule and count, if the source cannot be read or does not fit.
    """
    while first <= last:
        end = min(last, first + timedelta(days=_DAYS_A_PASS - 1))
        with ExitStack() as stack:
            spool = _Spool(scratch, stack, guessed=spec.source.reader is Reader.SQL)
            strays: dict[str, _Strays] = {}
            for found in read(spec.source, first, end, folder=folder, sql_url=sql_url):
                known = strays.setdefault(found.origin, _Strays(f"{found.first} … {found.last}"))
                for day, rows in _cut(found, spec, known):
                    spool.add(found.origin, day, rows)
        _refuse(strays, spec.source)
        while first <= end:
            yield from _finished(spool.take(first), first, scratch)
            first += timedelta(days=1)


class _Spool:
    """The batches of each day, appended to files as they come.

    A file of Arrow's holds one schema: a column that has no type yet, since it is null so far, gets it in
    a further file. Where types are `guessed` from values, a column without any in a day has none in the
    end, whatever other days hold.
    """

    def __init__(self, scratch: Path, stack: ExitStack, *, guessed: bool) -> None:
        self._scratch = scratch
        self._stack = stack
        self._guessed = guessed
        self._types: dict[date, dict[str, Any]] = {}
        self._valued: dict[date, set[str]] = {}
        self._writers: dict[date, tuple[Any, Any]] = {}
        self._files: dict[date, list[Path]] = {}

    def add(self, origin: str, day: date, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        now = dict(zip(batch.schema.names, batch.schema.types, strict=True))
        self._types[day] = _agreed(self._types.get(day, now), now, origin)
        self._valued.setdefault(day, set()).update(name for name in now if not _silent(batch.column(name)))
        schema, writer = self._writers.get(day, (None, None))
        if schema != batch.schema:
            schema, writer = self._writers[day] = batch.schema, self._new_file(day, batch.schema)
        writer.write_table(pa.Table.from_batches([batch]), max_chunksize=BATCH_ROWS)

    def take(self, day: date) -> Iterator[pa.RecordBatch]:
        """The rows of a day, once, a batch in memory at a time."""
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
        kept = self._valued[day] if self._guessed and types else types
        return pa.schema({name: kind if name in kept else pa.null() for name, kind in types.items()})

    def _new_file(self, day: date, schema: pa.Schema) -> Any:
        import pyarrow as pa

        files = self._files.setdefault(day, [])
        files.append(self._scratch / f"{day}-{len(files)}.arrow")
        file = self._stack.enter_context(pa.OSFile(str(files[-1]), "wb"))
        return self._stack.enter_context(pa.ipc.new_file(file, schema))


def _silent(column: pa.Array) -> bool:
    return bool(column.null_count == len(column))


def _in_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch whose columns without values take the type, and whose columns take the order, of a day."""
    import pyarrow as pa

    columns = [
        pa.nulls(len(batch), field.type) if _silent(batch.column(field.name)) else batch.column(field.name)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _agreed(before: Mapping[str, Any], now: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The type of each column, where a null one gives way; raises BadData if two parts disagree."""
    import pyarrow as pa

    agreed = {}
    for name in {**before, **now}:
        types = [kind for kind in (before.get(name), now.get(name)) if kind != pa.null()]
        if len(set(map(str, types))) > 1:
            told = " and ".join(str(kind) if kind else "absent" for kind in types)
            raise BadData(f"{origin}: column {name!r} is {told} in parts of the same day; give it one type")
        agreed[name] = types[0] if types else pa.null()
    return agreed


def _finished(batches: Iterator[pa.RecordBatch], day: date, scratch: Path) -> Iterator[Part]:
    """Turn a day's rows into its Parquet files: the same rows, the same bytes."""
    groups = _groups(batches)
    for number in count():
        part = _written(islice(groups, _GROUPS_A_PART), day, number, scratch)
        if part.file or number == 0:
            yield part
        if not part.file:
            return


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in tables of `ROWS_AT_ONCE`, but for the last, that do not show how they were batched."""
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


@dataclass
class _Strays:
    """Of the rows of one origin, those that belong to none of the days it was asked for."""

    days: str
    rows: int = 0
    undated: int = 0
    outside: int = 0


def _refuse(strays: Mapping[str, _Strays], source: Source) -> None:
    """Raise BadData if there are strays; a file of the whole history may hold other days."""
    faults = []
    for origin, found in strays.items():
        column = f"{origin}: column {source.partition_by!r}"
        if found.undated:
            faults.append(f"{column} is empty in {found.undated} of {found.rows} rows")
        if found.outside and not holds_other_days(source):
            where = f"outside of {found.days} ({source.timezone})"
            faults.append(f"{column} lies {where} in {found.outside} of {found.rows} rows")
    if faults:
        raise BadData(f"{'; '.join(faults[:10])}; the source must give the days it is asked for")


def _cut(found: SourceBatch, spec: Pipeline, strays: _Strays) -> Iterator[tuple[date, pa.RecordBatch]]:
    """Split a batch by local day, and count the rows that do not belong."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _has_columns(found, spec)
    days = _local_days(found, spec.source)
    inside = pc.and_(
        pc.greater_equal(days, pa.scalar(found.first)), pc.less_equal(days, pa.scalar(found.last))
    )
    strays.rows += len(days)
    strays.undated += days.null_count
    strays.outside += len(days) - days.null_count - (pc.sum(inside).as_py() or 0)
    rows = _plain(found.batch.drop_columns(spec.privacy.drop))
    for day in sorted(pc.unique(pc.filter(days, inside)).to_pylist()):
        yield day, rows.filter(pc.equal(days, pa.scalar(day)))


def _has_columns(found: SourceBatch, spec: Pipeline) -> None:
    """Names are told only where they are names for sure: without a header, they are the first row."""
    names = found.batch.schema.names
    wanted = {"source.partition_by": [spec.source.partition_by], "privacy.drop": spec.privacy.drop}
    for key, columns in wanted.items():
        if missing := [name for name in columns if name not in names]:
            close = get_close_matches(missing[0], names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f" among the {len(names)} columns"
            raise BadData(f"{found.origin}: column {missing[0]!r} ({key}) is missing{hint}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadData(f"{found.origin}: {len(twice)} column name(s) occur twice: {', '.join(twice)}")


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Without what differs between batches of the same rows: pandas' notes, and dictionaries."""
    import pyarrow as pa

    for number, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type):
            batch = batch.set_column(number, field.name, batch.column(number).dictionary_decode())
    return batch.replace_schema_metadata(None)


def _local_days(found: SourceBatch, source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = _moments(found, source)
    if moments.type.tz:
        moments = pc.local_timestamp(moments.cast(pa.timestamp("us", source.timezone), safe=False))
    return moments.cast(pa.timestamp("us"), safe=False).cast(pa.date32(), safe=False)


def _moments(found: SourceBatch, source: Source) -> Any:
    """The time column as time stamps; text may or may not name a zone, but all of it alike."""
    import pyarrow as pa

    column = found.batch.column(source.partition_by)
    kind, where = column.type, f"{found.origin}: column {source.partition_by!r}"
    if pa.types.is_timestamp(kind):
        return column
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (text or pa.types.is_date(kind) or pa.types.is_null(kind)):
        raise BadData(f"{where} is {kind}; write time stamps, or text such as '2013-01-01 05:00:00'")
    odd = []
    for wanted in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        odd.append(misfits(column, wanted))
        if not odd[-1]:
            return column.cast(wanted)
    raise BadData(
        f"{where}: {min(odd)} of {len(column)} values cannot be read as time; "
        "write text such as '2013-01-01 05:00:00'"
    )
