"""Held types: what the columns of a table are at a ref."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from include.concurrency import map_ordered
from include.contract.types import FIRST_DAY, LAST_DAY
from include.exceptions import BadData
from include.ingestion.hashing import Mark
from include.lake.exact import common_type
from include.lake.table import Table
from include.lake.types import LakeObject

if TYPE_CHECKING:
    import pyarrow as pa

_PARALLEL_READS = 8


def held_types(table: Table, ref: str) -> pa.Schema | None:
    """Return the columns that a table holds, with their types; None before its first load.

    A table that was written before types were kept beside it has them in its parts alone: that is the type
    that holds the values of all parts, or the newest one's where there is none.
    """
    return table.schema(ref) or _of_parts(table, ref)


def _of_parts(table: Table, ref: str) -> pa.Schema | None:
    import pyarrow as pa

    items = [item for items in table.parts(ref, FIRST_DAY, LAST_DAY).values() for item in items]

    def schema_of(item: LakeObject) -> pa.Schema:
        with suppress(BadData), table.opened(ref, item) as file:  # a damaged part stops who reads its rows
            return file.schema_arrow
        return pa.schema([])

    types: dict[str, pa.DataType] = {}
    marks: dict[str, Mark | None] = {}
    for schema in map_ordered(schema_of, items, _PARALLEL_READS):
        for field in schema:
            if not (pa.types.is_null(field.type) or pa.types.is_nested(field.type)):  # see `learn`
                types[field.name] = common_type(types.get(field.name, field.type), field.type) or field.type
                marks[field.name] = Mark.of(field) or marks.get(field.name)
    fields = [pa.field(name, kind, metadata=_metadata(marks[name])) for name, kind in types.items()]
    return pa.schema(fields) if types else None


def _metadata(mark: Mark | None) -> dict[bytes, bytes] | None:
    return mark.metadata if mark else None
