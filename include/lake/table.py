"""Tables of the lake: Parquet parts below `<table>/dt=YYYY-MM-DD/`.

A table is read at a ref. Give a commit id wherever two reads must see the same rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.concurrency import map_ordered
from include.exceptions import Absent, BadData
from include.lake.client import Lake, LakeObject

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

_PARALLEL_READS = 8
"""Parts read ahead at once: they wait for the server, not for the processor."""
_WHOLE = 8 << 20
"""Bytes of a part up to which fetching all of it is quicker than asking for the columns' ranges."""
_ROWS_A_BATCH = 65_536
_DAY = re.compile(r"dt=\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Table:
    """One table of a repository."""

    lake: Lake
    name: str

    def prefix(self, day: date) -> str:
        """Where the parts of a partition live."""
        return f"{self.name}/dt={day.isoformat()}/"

    def uri(self, ref: str) -> str:
        """Return the URI of the table at a ref, as it is logged beside what was made of it."""
        return f"lakefs://{self.lake.repository}/{ref}/{self.name}/"

    def days(self, ref: str) -> list[date]:
        """The days that have a partition, in order."""
        return [_day_of(folder) for folder in self.lake.folders(ref, f"{self.name}/")]

    def parts(self, ref: str, first: date, last: date) -> dict[date, list[LakeObject]]:
        """The parts of every partition from `first` to `last`, as their rows follow each other.

        Costs the range, not the table.
        """
        below, after = f"{self.name}/", f"{self.name}/dt={first.isoformat()}"
        found: dict[date, list[LakeObject]] = {}
        for item in self.lake.list(ref, below, after):
            day = _day_of(item.path)
            if day > last:
                break
            found.setdefault(day, []).append(item)
        return {day: sorted(items, key=_numbered) for day, items in found.items()}

    def partitions(
        self, ref: str, first: date, last: date, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[date, pa.Table]]:
        """Each partition from `first` to `last` with its rows, in order, a few read ahead.

        Raises BadData where a part is no Parquet file or lacks a column asked for.
        """
        items = [item for parts in self.parts(ref, first, last).values() for item in parts]
        tables = map_ordered(lambda item: self._read(ref, item, columns), items, _PARALLEL_READS)
        for day, group in groupby(zip(items, tables, strict=True), lambda pair: _day_of(pair[0].path)):
            yield day, self._joined([table for _, table in group])

    def batches(
        self,
        ref: str,
        first: date,
        last: date,
        columns: Sequence[str] | None = None,
        *,
        rows: int = _ROWS_A_BATCH,
    ) -> Iterator[pa.RecordBatch]:
        """The rows from `first` to `last` in order, at most so many a batch; days may be of any size.

        One row group of the columns is in memory at a time, and a batch has the types of its part. Raises
        BadData where a part is no Parquet file or lacks a column asked for.
        """
        for items in self.parts(ref, first, last).values():
            for item in items:
                with self._opened(ref, item, columns) as file:
                    for group in range(file.num_row_groups):  # asked for all at once, more stay in memory
                        yield from file.iter_batches(rows, row_groups=[group], columns=columns)

    def frame(self, ref: str, first: date, last: date, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows from `first` to `last` as one frame, in order; raises Absent where there are none."""
        tables = [table for _, table in self.partitions(ref, first, last, columns)]
        if not tables:
            raise Absent(
                f"table {self.name!r} has no partition from {first} to {last} at {ref!r}; "
                "run the pipeline's ingest DAG for these days"
            )
        return self._joined(tables).to_pandas()

    def _read(self, ref: str, item: LakeObject, columns: Sequence[str] | None) -> pa.Table:
        with self._opened(ref, item, columns, whole=columns is None) as file:
            return file.read(columns=columns)

    @contextmanager
    def _opened(
        self, ref: str, item: LakeObject, columns: Sequence[str] | None, *, whole: bool = False
    ) -> Iterator[pq.ParquetFile]:
        """A part that has the columns; what is unreadable in it is told in the block, too."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if whole or item.size <= _WHOLE:
            source: Any = pa.BufferReader(self.lake.download(ref, item.path))
        else:
            source = self.lake.open(item, ref)
        try:
            file = pq.ParquetFile(source, page_checksum_verification=True)
            if missing := sorted(set(columns or ()) - set(file.schema_arrow.names)):
                raise BadData(
                    f"{item.path!r} at {ref!r} has no column {', '.join(map(repr, missing))}; it was written "
                    "before the contract named it: run the pipeline's ingest for that day again"
                )
            yield file
        except (pa.ArrowException, OSError) as error:  # OSError: a page that cannot be decompressed
            raise BadData(f"{item.path!r} at {ref!r} is no readable Parquet file: {error}") from error

    def _joined(self, tables: list[Any]) -> pa.Table:
        import pyarrow as pa

        try:
            return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            raise BadData(
                f"the parts of table {self.name!r} cannot be read as one: {error}; load the days again "
                "that hold the wrong type"
            ) from error


def checksum(parts: Sequence[LakeObject]) -> str:
    """A short fingerprint of a partition's content, as 12 hexadecimal digits."""
    joined = "\n".join(f"{part.path} {part.size} {part.checksum}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:12]


def _numbered(part: LakeObject) -> tuple[int, str]:
    """`part-10` follows `part-9`, though its path does not."""
    return len(part.path), part.path


def _day_of(path: str) -> date:
    for part in path.split("/"):
        if _DAY.fullmatch(part):
            with suppress(ValueError):
                return date.fromisoformat(part[3:])
    raise BadData(f"{path!r} is no path of a partition; expected a part 'dt=YYYY-MM-DD'")
