"""Tables of the lake: Parquet parts below `<table>/dt=YYYY-MM-DD/`.

A table is read at a ref. Give a commit id wherever two reads must see the same rows.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.exceptions import Absent, BadData
from include.lake.client import Lake, LakeObject

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_PARALLEL_READS = 8
"""Downloads under way at once: they wait for the server, not for the processor."""


@dataclass(frozen=True)
class Table:
    """One table of a repository."""

    lake: Lake
    name: str

    def prefix(self, day: date) -> str:
        """Where the parts of a partition live."""
        return f"{self.name}/dt={day.isoformat()}/"

    def days(self, ref: str) -> list[date]:
        """The days that have a partition, in order."""
        return [_day_of(folder) for folder in self.lake.folders(ref, f"{self.name}/")]

    def parts(self, ref: str, first: date, last: date) -> dict[date, list[LakeObject]]:
        """The parts of every partition from `first` to `last`; costs the range, not the table."""
        below, after = f"{self.name}/", f"{self.name}/dt={first.isoformat()}"
        found: dict[date, list[LakeObject]] = {}
        for item in self.lake.list(ref, below, after):
            day = _day_of(item.path)
            if day > last:
                break
            found.setdefault(day, []).append(item)
        return found

    def partitions(
        self, ref: str, first: date, last: date, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[date, pa.Table]]:
        """Each partition from `first` to `last` with its rows, in order; a few parts are read ahead.

        Raises BadData where a part is no Parquet file or lacks a column asked for.
        """
        items = [item for parts in self.parts(ref, first, last).values() for item in parts]
        read = self._read_ahead(ref, items, columns)
        for day, group in groupby(read, lambda pair: _day_of(pair[0].path)):
            yield day, _concat([table for _, table in group])

    def frame(self, ref: str, first: date, last: date, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows from `first` to `last` as one frame, in order; raises Absent where there are none."""
        tables = [table for _, table in self.partitions(ref, first, last, columns)]
        if not tables:
            raise Absent(
                f"table {self.name!r} has no partition from {first} to {last} at {ref!r}; "
                "run the pipeline's ingest DAG for these days"
            )
        return _concat(tables).to_pandas()

    def _read_ahead(
        self, ref: str, items: Sequence[LakeObject], columns: Sequence[str] | None
    ) -> Iterator[tuple[LakeObject, pa.Table]]:
        """Parts in order; as many as are downloaded at once wait in memory, not all (as `map` would)."""
        waiting: deque[tuple[LakeObject, Future[pa.Table]]] = deque()
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            for item in items:
                if len(waiting) == _PARALLEL_READS:
                    part, table = waiting.popleft()
                    yield part, table.result()
                waiting.append((item, pool.submit(self._read, ref, item, columns)))
            while waiting:
                part, table = waiting.popleft()
                yield part, table.result()

    def _read(self, ref: str, item: LakeObject, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = self.lake.download(ref, item.path)
        try:
            return pq.read_table(pa.BufferReader(content), columns=None if columns is None else list(columns))
        except pa.ArrowInvalid as error:
            raise BadData(f"{item.path!r} at {ref!r} is no readable Parquet file: {error}") from error


def checksum(parts: Sequence[LakeObject]) -> str:
    """A short fingerprint of a partition's content, as 12 hexadecimal digits."""
    joined = "\n".join(f"{part.path} {part.size} {part.checksum}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:12]


def _day_of(path: str) -> date:
    for part in path.split("/"):
        if part.startswith("dt="):
            return date.fromisoformat(part[3:])
    raise BadData(f"{path!r} is no path of a partition; expected a part 'dt=YYYY-MM-DD'")


def _concat(tables: list[Any]) -> pa.Table:
    import pyarrow as pa

    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
