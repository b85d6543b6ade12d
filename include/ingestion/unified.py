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


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both, None if there is none."""
    import pyarrow as pa

    is_a = pa.types
    if one == other or is_a.is_null(other):
        return one
    if is_a.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if is_a.is_struct(one) and is_a.is_struct(other):
        return _common_struct(one, other)
    if is_a.is_list(one) and is_a.is_list(other):
        value = common_type(one.value_type, other.value_type)
        return None if value is None else pa.list_(value)
    return None


def _common_struct(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    types = {field.name: field.type for field in one}
    for field in other:
        types[field.name] = common_type(types.get(field.name, field.type), field.type)
    return None if None in types.values() else pa.struct(list(types.items()))


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
