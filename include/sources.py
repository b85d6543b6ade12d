"""Cutting the rows of a source into partitions.

Whatever the reader, rows come as record batches, one pass over the source for a whole range of days, in
memory that does not grow with it. The bytes of a partition depend on its rows alone, so reading the same
rows again, alone or among others, is seen to be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.exceptions import BadData
from include.readers import ROWS_AT_ONCE, Read, holds_other_days, misfits, read
from include.spec import Pipeline, Reader, Source

if TYPE_CHECKING:
    import pyarrow as pa

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
            strays: dict[str, _Strays] = {}
            for found in read(spec.source, first, end, folder=folder, sql_url=sql_url):
                known = strays.setdefault(found.origin, _Strays(f"{found.first} … {found.last}"))
                for day, rows in _cut(found, spec, known):
                    spool.add(found.origin, day, rows)
        _refuse(strays, spec.source)
        while first <= end:
            yield _finished(spool, first, scratch, guessed=spec.source.reader is Reader.SQL)
            first += timedelta(days=1)


class _Spool:
    """The batches of each day, appended to files as they come.

    A file of Arrow's holds one schema: a column that has no type yet, since it is null so far, gets it in
    a further file.
    """

    def __init__(self, scratch: Path, stack: ExitStack) -> None:
        self._scratch = scratch
        self._stack = stack
        self._types: dict[date, dict[str, Any]] = {}
        self._writers: dict[date, tuple[Any, Any]] = {}
        self._files: dict[date, list[Path]] = {}

    def add(self, origin: str, day: date, batch: pa.RecordBatch) -> None:
        now = dict(zip(batch.schema.names, batch.schema.types, strict=True))
        self._types[day] = _agreed(self._types.get(day, now), now, origin)
        schema, writer = self._writers.get(day, (None, None))
        if schema != batch.schema:
            schema, writer = self._writers[day] = batch.schema, self._new_file(day, batch.schema)
        writer.write_batch(batch)

    def take(self, day: date) -> pa.Table | None:
        """The rows of a day, once."""
        import pyarrow as pa

        tables = []
        for path in self._files.pop(day, []):
            with pa.memory_map(str(path)) as file:
                tables.append(pa.ipc.open_file(file).read_all())
            path.unlink()
        return pa.concat_tables(tables, promote_options="default").combine_chunks() if tables else None

    def _new_file(self, day: date, schema: pa.Schema) -> Any:
        import pyarrow as pa

        files = self._files.setdefault(day, [])
        files.append(self._scratch / f"{day}-{len(files)}.arrow")
        file = self._stack.enter_context(pa.OSFile(str(files[-1]), "wb"))
        return self._stack.enter_context(pa.ipc.new_file(file, schema))


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


def _finished(spool: _Spool, day: date, scratch: Path, *, guessed: bool) -> Partition:
    """Turn a day's spool into its Parquet file: the same rows, the same bytes.

    Where types are `guessed` from values, a column of nulls has none, whatever other days hold.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = spool.take(day)
    if table is None or table.num_rows == 0:
        return Partition(day, 0, None)
    for number, name in enumerate(table.column_names if guessed else []):
        if table.column(name).null_count == table.num_rows:
            table = table.set_column(number, name, pa.nulls(table.num_rows))
    file = scratch / "part-0.parquet"
    pq.write_table(table, file, compression="zstd", row_group_size=ROWS_AT_ONCE)
    with file.open("rb") as content:
        return Partition(day, table.num_rows, file, hashlib.file_digest(content, "sha256").hexdigest())


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


def _cut(found: Read, spec: Pipeline, strays: _Strays) -> Iterator[tuple[date, pa.RecordBatch]]:
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


def _has_columns(found: Read, spec: Pipeline) -> None:
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


def _local_days(found: Read, source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = _moments(found, source)
    if moments.type.tz:
        moments = pc.local_timestamp(moments.cast(pa.timestamp("us", source.timezone), safe=False))
    return moments.cast(pa.timestamp("us"), safe=False).cast(pa.date32(), safe=False)


def _moments(found: Read, source: Source) -> Any:
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
