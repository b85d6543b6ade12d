"""The files of a Delta Lake table: parts of a partition, in the types of the table.

They are written one at a time, and listed in one version. deltalake's own writer would hold a file of every
partition open, in memory: 600 MB for 80 partitions of 200,000 rows (seen in 1.6.6).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from include.contract.exports import DAY
from include.exports.delta_log import failures
from include.exports.delta_types import as_delta
from include.lake.table import Table
from include.lake.types import LakeObject

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

_BATCH_ROWS = 100_000


class DeltaFiles:
    """The files that one version adds to a folder; nobody sees them before it is there."""

    def __init__(self, uri: str, files: pafs.FileSystem, types: Mapping[str, pa.DataType]) -> None:
        self._uri, self._files, self._types = uri, files, dict(types)
        self.added: list[AddAction] = []
        self.rows = 0

    def add(self, table: Table, commit: str, day: date, part: LakeObject) -> None:
        """Write a part of a partition at a commit, a row group in memory; a part without rows is left out.

        Raises BadData if the part cannot be read, or a value does not fit the types.
        """
        import pyarrow.parquet as pq
        from deltalake.transaction import AddAction

        path = f"{DAY}={day}/millrace-{uuid4().hex}.parquet"
        with failures(self._uri), self._removing(path):
            batches = _batches(table, commit, part)
            if (first := next(batches, None)) is None:
                return
            written: list[pq.FileMetaData] = []
            with (
                self._files.open_output_stream(path) as stream,
                pq.ParquetWriter(
                    stream, self._schema(), compression="zstd", store_schema=False, metadata_collector=written
                ) as writer,
            ):
                for batch in chain([first], batches):
                    writer.write_batch(as_delta(batch, self._types, part.path))
            size, stats = self._files.get_file_info(path).size, _stats(written[0], self._schema())
        values = {DAY: str(day)}
        self.added.append(AddAction(path, size, values, time.time_ns() // 10**6, True, json.dumps(stats)))
        self.rows += stats["numRecords"]

    def remove(self) -> None:
        """Delete the files, where that is possible, of a version that will not be; VACUUM deletes others."""
        while self.added:
            with suppress(Exception):
                self._files.delete_file(self.added.pop().path)

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.schema(self._types)

    @contextmanager
    def _removing(self, path: str) -> Iterator[None]:
        """Delete a file whose writing fails."""
        try:
            yield
        except BaseException:
            with suppress(Exception):
                self._files.delete_file(path)
            raise


def _batches(table: Table, commit: str, part: LakeObject) -> Iterator[pa.RecordBatch]:
    with table.opened(commit, part) as file:
        for group in range(file.num_row_groups):  # one call for all would buffer several groups
            batches = file.iter_batches(_BATCH_ROWS, row_groups=[group])
            yield from (batch for batch in batches if batch.num_rows)


def _stats(file: pq.FileMetaData, schema: pa.Schema) -> dict[str, Any]:
    """Return the rows of a file, and what lets readers skip it: nulls, ranges of whole numbers and times.

    Ranges of floats and texts are left out: Parquet's know no NaN, which is the greatest number to Spark, and
    may be cut off.
    """
    nulls: dict[str, int] = {}
    ranges: dict[str, tuple[str | int, str | int]] = {}
    for number in range(file.num_columns):
        if (name := file.schema.column(number).path) not in schema.names:
            continue  # a part of a list or structure
        found = [file.row_group(group).column(number).statistics for group in range(file.num_row_groups)]
        if all(one is not None and one.has_null_count for one in found):
            nulls[name] = sum(one.null_count for one in found)
        if _is_ordered(schema.field(name).type):
            filled = [one for one in found if one is None or one.num_values]
            with suppress(ValueError, OverflowError, TypeError):  # years after 9999
                ranges[name] = (
                    _written(min(one.min for one in filled)),
                    _written(max(one.max for one in filled)),
                )
    return {
        "numRecords": file.num_rows,
        "minValues": {name: least for name, (least, _) in ranges.items()},
        "maxValues": {name: most for name, (_, most) in ranges.items()},
        "nullCount": nulls,
    }


def _is_ordered(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _written(value: Any) -> str | int:
    """Return a value as Delta Lake writes it; raises TypeError for one that is missing."""
    if isinstance(value, datetime):
        is_instant = value.tzinfo is not None
        text = (value.astimezone(UTC).replace(tzinfo=None) if is_instant else value).isoformat(
            timespec="microseconds"
        )
        return f"{text}Z" if is_instant else text
    return value.isoformat() if isinstance(value, date) else int(value)
