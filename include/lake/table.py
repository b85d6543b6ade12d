"""Tables of the lake: Parquet parts below `<table>/dt=YYYY-MM-DD/`, and the types of their columns beside.

A table is read at a ref. Pass a commit id if two reads must see the same rows. Objects of others may lie
among the parts, such as what Spark and people leave: they are neither read nor deleted, and a warning names
the first.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from io import BytesIO
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from include.concurrency import map_ordered
from include.exceptions import Absent, BadData, ColumnMissing, MillraceError, Misconfigured
from include.excerpt import quote
from include.lake.client import Lake, LakeObject
from include.lake.frames import to_frame

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAX_PARALLEL_READS = 8
"""Parts that are read ahead at the same time: reading waits for the server, not for the processor."""
_FULL_READ_MAX_BYTES = 8 << 20
"""Up to this size, downloading a whole part is faster than one request for each range of its columns."""
_BATCH_ROWS = 65_536
_MAX_NAMED = 10
_MAX_LISTED_COMMITS = 1000
"""Commits of a table in which its writer is looked for: those that people made by hand name none."""
_PARTITION = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/")
_PART = re.compile(r"(part-[^/]*|v\d+-[0-9a-f]{12})\.parquet")
"""Names that `load` gives to the parts of a partition, and `score` to the predictions for one."""
_SCHEMA = "_common_metadata"
"""The Parquet file without rows in which Arrow, Spark and Dask keep the schema of a folder of files."""
PART_NAMES = "dt=YYYY-MM-DD/part-*.parquet"
"""How messages tell what a part is named."""
_log = logging.getLogger(__name__)
_told: set[tuple[str, str]] = set()
_Held = Callable[[], "pa.Schema | None"]
"""Returns the columns that a table holds; they are fetched once a read, and only if a part lacks some."""


@dataclass(frozen=True)
class Table:
    """One table of a repository.

    `since` has the first day of columns that begin late: partitions of earlier days, which lack them, are
    read as if they held nulls.
    """

    lake: Lake
    name: str
    since: Mapping[str, date] = field(default_factory=dict, hash=False)

    def prefix(self, day: date) -> str:
        """Return the prefix of a partition's parts."""
        return f"{self.name}/dt={day.isoformat()}/"

    def uri(self, ref: str) -> str:
        """Return the URI of the table at a ref, as it is logged beside what was made of it."""
        return f"lakefs://{self.lake.repository}/{ref}/{self.name}/"

    def writer(self, ref: str) -> str | None:
        """Return the pipeline that wrote the table last, as its commits say; None if it has no data."""
        prefix = f"{self.name}/"
        if next(self.lake.list_objects(ref, prefix), None) is None:
            return None
        commits = islice(self.lake.log(ref, prefix=prefix), _MAX_LISTED_COMMITS)
        return next((name for commit in commits if (name := commit.metadata.get("pipeline"))), None)

    def check_writer(self, ref: str, pipeline_name: str, pipelines: Container[str]) -> None:
        """Raise Misconfigured if another pipeline has written the table, and is still among `pipelines`.

        A pipeline that is not there any more was renamed or removed: its table goes to who writes it next.
        """
        writer = self.writer(ref)
        if writer is not None and writer != pipeline_name and writer in pipelines:
            raise Misconfigured(
                f"table {self.name!r} on {ref!r} of {self.lake.repository!r} belongs to pipeline {writer!r}, "
                f"which has written it: change lake.table or lake.repository of {pipeline_name!r}"
            )

    @property
    def schema_path(self) -> str:
        """Where the types of the columns lie."""
        return f"{self.name}/{_SCHEMA}"

    def schema(self, ref: str) -> pa.Schema | None:
        """Return the columns that the table holds at a ref, with their types; None before its first load.

        Raises BadData if the file with them is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            content = self.lake.download(ref, self.schema_path)
        except Absent:
            return None
        try:
            return pq.read_schema(pa.BufferReader(content)).remove_metadata()
        except (pa.ArrowException, OSError) as error:
            raise BadData(
                f"{self.schema_path!r} at {ref!r} is not a readable Parquet file; delete it, and the next "
                "load writes it"
            ) from error

    def write_schema(self, branch: str, schema: pa.Schema) -> None:
        """Keep the columns of the table on a branch, uncommitted."""
        import pyarrow.parquet as pq

        content = BytesIO()
        pq.write_metadata(schema.remove_metadata(), content)
        content.seek(0)
        self.lake.upload(branch, self.schema_path, content)

    def days(self, ref: str) -> list[date]:
        """Return the days that have a partition, in order.

        Whether a partition has parts is not looked at: that would take a request for each.
        """
        prefixes = list(self.lake.list_common_prefixes(ref, f"{self.name}/"))
        days = {prefix: day for prefix in prefixes if (day := self._day_of(prefix))}
        self._tell([prefix for prefix in prefixes if prefix not in days])
        return list(days.values())

    def parts(self, ref: str, first: date, last: date) -> dict[date, list[LakeObject]]:
        """Return the parts of each partition from `first` to `last`, in the order of their rows.

        Lists only the objects of these days, whatever the size of the table.
        """
        prefix, after = f"{self.name}/", f"{self.name}/dt={first.isoformat()}"
        until, others = self.prefix(last), []
        parts: dict[date, list[LakeObject]] = {}
        for item in self.lake.list_objects(ref, prefix, after):
            if item.path > until and not item.path.startswith(until):
                break
            if (day := self._day_of_part(item.path)) is None:
                others.append(item.path)
            else:
                parts.setdefault(day, []).append(item)
        self._tell(others)
        return {day: sorted(items, key=_part_order) for day, items in parts.items()}

    def changed_days(self, before: str, after: str) -> set[date]:
        """Return the days whose parts differ between two refs; costs as much as differs below the table."""
        changes = self.lake.diff(before, after, prefix=f"{self.name}/", three_dot=False)
        return {day for change in changes if (day := self._day_of_part(change.path))}

    def count_left_out(self, ref: str, day: date) -> int:
        """Return how many objects lie in a partition's folder that are no parts of it."""
        items = self.lake.list_objects(ref, self.prefix(day))
        return sum(self._day_of_part(item.path) is None for item in items)

    def partitions(
        self,
        ref: str,
        first: date,
        last: date,
        columns: Sequence[str] | None = None,
        *,
        only: Container[date] | None = None,
    ) -> Iterator[tuple[date, pa.Table]]:
        """Yield each day from `first` to `last` that has rows, with its rows; a few parts are read ahead.

        With `only`, days outside of it are left out.

        Raises BadData if a part is not a Parquet file, ColumnMissing if it lacks one of `columns`.
        """
        parts = self.parts(ref, first, last).items()
        items = [item for day, items in parts if only is None or day in only for item in items]
        held = cache(lambda: self.schema(ref))
        tables = map_ordered(lambda item: self._read(ref, item, columns, held), items, _MAX_PARALLEL_READS)
        days = [day for day, items in parts if only is None or day in only for _ in items]
        for day, group in groupby(zip(days, tables, strict=True), itemgetter(0)):
            yield day, self.joined([table for _, table in group])

    def batches(
        self,
        ref: str,
        first: date,
        last: date,
        columns: Sequence[str] | None = None,
        *,
        max_rows: int = _BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows from `first` to `last` in order, at most `max_rows` a batch; days may have any size.

        One row group of the columns is in memory at a time. A batch has the column types of its part. Raises
        BadData if a part is not a Parquet file, ColumnMissing if it lacks one of `columns`.
        """
        held = cache(lambda: self.schema(ref))
        for items in self.parts(ref, first, last).values():
            for item in items:
                with self.opened(ref, item, columns) as file:
                    there = _present(file, columns)
                    for group in range(file.num_row_groups):  # one call for all would buffer several groups
                        for batch in file.iter_batches(max_rows, row_groups=[group], columns=there):
                            yield _completed(batch, columns, held)

    def frame(self, ref: str, first: date, last: date, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows from `first` to `last` as one frame, in order; raises Absent if no day has data."""
        tables = [table for _, table in self.partitions(ref, first, last, columns)]
        if not tables:
            raise self.absence(ref, first, last)
        return to_frame(self.joined(tables))

    def absence(self, ref: str, first: date, last: date) -> Absent:
        """Return the error for days that have no partition."""
        return Absent(
            f"table {self.name!r} has no partition from {first} to {last} at {ref!r}; "
            "run the pipeline's ingest DAG for these days"
        )

    def _day_of(self, path: str) -> date | None:
        """Return the day in whose partition a path lies; None if it lies in none."""
        found = _PARTITION.match(path, len(self.name) + 1)
        with suppress(ValueError):  # such as 30 February
            return date.fromisoformat(found[1]) if found else None
        return None

    def _day_of_part(self, path: str) -> date | None:
        """Return the day of a part; None if a path is not that of a part."""
        folder, _, name = path.rpartition("/")
        is_part = folder.count("/") == 1 and _PART.fullmatch(name)
        return self._day_of(path) if is_part else None

    def _tell(self, others: Sequence[str]) -> None:
        """Warn of objects and folders that are left out, once a process for each table."""
        if others and (self.lake.repository, self.name) not in _told:
            _told.add((self.lake.repository, self.name))
            _log.warning(
                "table %r of %r: left out %d object(s) or folder(s) of others, as %r: parts of a table are "
                "named %r",
                self.name,
                self.lake.repository,
                len(others),
                others[0],
                PART_NAMES,
            )

    def _read(self, ref: str, item: LakeObject, columns: Sequence[str] | None, held: _Held) -> pa.Table:
        with self.opened(ref, item, columns, whole=columns is None) as file:
            return _completed(file.read(columns=_present(file, columns)), columns, held)

    @contextmanager
    def opened(
        self, ref: str, item: LakeObject, columns: Sequence[str] | None = None, *, whole: bool = False
    ) -> Iterator[pq.ParquetFile]:
        """Open a part that has the columns; raises BadData also for errors while the block reads it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if whole or item.size <= _FULL_READ_MAX_BYTES:
            source: Any = pa.BufferReader(self.lake.download(ref, item.path))
        else:
            source = self.lake.open(item, ref)
        try:
            file = pq.ParquetFile(source, page_checksum_verification=True)
            if missing := sorted(set(columns or ()) - set(file.schema_arrow.names) - self._later(item)):
                known, newest = file.schema_arrow.names, self._newest_columns(ref)
                raise ColumnMissing(item.path, ref, missing, known=known, newest=newest)
            yield file
        except (pa.ArrowException, OSError) as error:  # OSError: a page cannot be decompressed
            raise BadData(f"{item.path!r} at {ref!r} is not a readable Parquet file: {error}") from error

    def _later(self, item: LakeObject) -> set[str]:
        """Return the columns that begin after the day of a part."""
        day = self._day_of(item.path)
        return {name for name, first in self.since.items() if day is not None and day < first}

    def _newest_columns(self, ref: str) -> list[str] | None:
        """Return the columns of the newest partition; None if they cannot be read."""
        with suppress(MillraceError):
            for day in reversed(self.days(ref)):
                for items in self.parts(ref, day, day).values():
                    with self.opened(ref, items[-1]) as file:
                        return list(file.schema_arrow.names)
        return None

    def joined(self, tables: Sequence[Any]) -> pa.Table:
        """Return rows of several parts as one table; raises BadData if their columns have several types."""
        import pyarrow as pa

        try:
            return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException:  # its message may quote a value
            raise BadData(
                f"the parts of table {self.name!r} have incompatible columns: {_differing(tables)}; load the "
                "days with the wrong type again"
            ) from None


def _differing(tables: Sequence[pa.Table]) -> str:
    """Return the columns that have several types, with these."""
    types: dict[str, dict[str, None]] = {}
    for one in (one for table in tables for one in table.schema):
        types.setdefault(one.name, {})[str(one.type)] = None
    found = {name: " and ".join(seen) for name, seen in types.items() if len(seen.keys() - {"null"}) > 1}
    shown = [f"{quote(name)} is {seen}" for name, seen in islice(found.items(), _MAX_NAMED)]
    return ", ".join(shown)


def _present(file: pq.ParquetFile, columns: Sequence[str] | None) -> list[str] | None:
    """Return those of the columns that a part has; None for all columns of the part."""
    return None if columns is None else [name for name in columns if name in file.schema_arrow.names]


def _completed(rows: Any, columns: Sequence[str] | None, held: _Held) -> Any:
    """Return rows, a table or a batch, with nulls in those of the columns that had not begun."""
    import pyarrow as pa

    if columns is None or rows.num_columns == len(columns):
        return rows
    schema = held() or pa.schema([])
    for name in columns:
        if name not in rows.schema.names:
            kind = schema.field(name).type if name in schema.names else pa.null()
            rows = rows.append_column(name, pa.nulls(len(rows), kind))
    return rows.select(columns)


def checksum(parts: Sequence[LakeObject]) -> str:
    """Return 12 hexadecimal digits that identify the content of a partition."""
    joined = "\n".join(f"{part.path} {part.size} {part.checksum}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:12]


def _part_order(part: LakeObject) -> tuple[int, str]:
    """Return a sort key that puts `part-10` after `part-9`."""
    return len(part.path), part.path
