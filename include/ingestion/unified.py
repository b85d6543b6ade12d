"""Batches whose types are known only once all are read: they wait on disk, and are given out in one schema.

Of formats without types (JSON, workbooks) each part shows a part of the truth: a column is whole numbers
first and decimals later, or is not there at all until its first value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from include.lake.exact import common_type

if TYPE_CHECKING:
    import pyarrow as pa


class Misfit(Exception):
    """A column whose parts have no common type, or whose whole numbers no decimal number holds."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class _Kept(NamedTuple):
    """Batches of one origin and one schema, in a file."""

    origin: str
    file: Path


def unified(
    found: Iterable[tuple[str, pa.RecordBatch]], *, fills: bool
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield batches, with their origins, in the types that fit all of them, once all are read.

    With `fills` a column that some batches lack is empty there. Raises Misfit for a column without such a
    type.
    """
    import pyarrow as pa

    types: dict[str, pa.DataType] = {}
    with TemporaryDirectory(prefix="millrace-") as scratch:
        kept = list(_keep(found, Path(scratch), types))
        for origin, file in kept:
            with pa.OSFile(str(file)) as content, pa.ipc.open_stream(content) as batches:
                for batch in batches:
                    yield origin, _in_types(batch, types, list(types) if fills else batch.schema.names)
            file.unlink()


def _keep(
    found: Iterable[tuple[str, pa.RecordBatch]], scratch: Path, types: dict[str, Any]
) -> Iterator[_Kept]:
    """Write batches to files, and learn the types of their columns."""
    import pyarrow as pa

    alike = groupby(found, lambda one: (one[0], one[1].schema))
    for number, ((origin, schema), batches) in enumerate(alike):
        learn(types, schema)
        kept = _Kept(origin, scratch / f"{number}.arrow")
        with pa.OSFile(str(kept.file), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            for _, batch in batches:
                writer.write_batch(batch)
        yield kept


def learn(types: dict[str, pa.DataType], schema: pa.Schema) -> None:
    """Put the columns of a schema among the types of those known, in the order of their appearance."""
    for field in schema:
        before = types.get(field.name, field.type)
        types[field.name] = _required(common_type(before, field.type), field.name)


def _required(kind: pa.DataType | None, column: str) -> pa.DataType:
    if kind is None:
        raise Misfit(column)
    return kind


def _in_types(batch: pa.RecordBatch, types: Mapping[str, Any], names: list[str]) -> pa.RecordBatch:
    import pyarrow as pa

    schema = pa.schema([(name, types[name]) for name in names])
    columns = [_column(batch, field) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    import pyarrow as pa

    if field.name not in batch.schema.names:
        return pa.nulls(len(batch), field.type)
    column = batch.column(field.name)
    try:
        return column if column.type == field.type else column.cast(field.type)
    except pa.ArrowInvalid:  # a whole number that no decimal number is equal to
        raise Misfit(field.name) from None
