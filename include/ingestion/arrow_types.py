"""Types of columns: one Arrow type for each kind of value, whichever the source's writer has chosen.

Arrow holds the same text as string, large_string, string_view, or as a dictionary or runs of these; binary
values and lists likewise. Some of Arrow's functions lack some of these types, and what differs only by them
would neither be the same column nor give the same bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from include.exceptions import BadData
from include.excerpt import quote

if TYPE_CHECKING:
    import pyarrow as pa


def plain(batch: pa.RecordBatch, origin: str) -> pa.RecordBatch:
    """Return a batch with one type for each kind of value, and without metadata.

    Raises BadData that names the column if Parquet cannot hold its type.
    """
    import pyarrow as pa

    columns = {
        name: _plain_column(batch.column(number), name, origin)
        for number, name in enumerate(batch.schema.names)
    }
    return pa.RecordBatch.from_pydict(columns)


def _plain_column(column: pa.Array, name: str, origin: str) -> pa.Array:
    import pyarrow as pa

    try:
        found = _plain(column)
    except (pa.ArrowException, OverflowError):
        found = None
    if found is None or not _is_storable(found.type):
        raise BadData(
            f"{origin}: column {quote(name)} is {quote(str(column.type))}, which Parquet cannot hold; cast "
            "it in the source, for instance to text"
        )
    return found


def _plain(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(kind, pa.DictionaryType):
        return pa.DictionaryArray.from_arrays(column.indices, _plain(column.dictionary)).dictionary_decode()
    if isinstance(kind, pa.RunEndEncodedType):
        return _plain(pc.run_end_decode(column))
    if isinstance(kind, pa.BaseExtensionType):
        return column if _is_plain(kind.storage_type) else _plain(column.storage)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return _plain(_as_lists(column))
    if _is_plain(kind):
        return column
    found = column.cast(_plain_type(kind))
    found.validate(full=True)  # see `_as_lists`: within structs and lists there may be views, too
    return found


def _as_lists(column: pa.Array) -> pa.Array:
    """Return list views as lists; of them Arrow's own cast makes lists whose offsets are invalid.

    Seen in pyarrow 25.0.1 with a null behind a value. Drop once `validate(full=True)` accepts such a cast.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, column.flatten(), mask=column.is_null())


def _is_plain(kind: pa.DataType) -> bool:
    return bool(_plain_type(kind) == kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column of some type gets, at any depth of structs, lists and maps."""
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_large_string(kind) or is_a.is_string_view(kind):
        return pa.string()
    if is_a.is_large_binary(kind) or is_a.is_binary_view(kind):
        return pa.binary()
    if is_a.is_dictionary(kind) or is_a.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if is_a.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    if is_a.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_field(kind.item_field), kind.keys_sorted)
    if (
        is_a.is_list(kind)
        or is_a.is_fixed_size_list(kind)  # with a null in it Arrow writes a file that it cannot read
        or is_a.is_large_list(kind)
        or is_a.is_list_view(kind)
        or is_a.is_large_list_view(kind)
    ):
        return pa.list_(_plain_field(kind.value_field))
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    import pyarrow as pa

    return pa.field(field.name, _plain_type(field.type), field.nullable)


@lru_cache(maxsize=1000)
def _is_storable(kind: pa.DataType) -> bool:
    """Return whether Parquet has this type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetWriter(pa.BufferOutputStream(), pa.schema({"column": kind})):
            return True
    except pa.ArrowException:
        return False
