"""Types of a Delta Lake table: the one that holds each value of the lake as it is, or none.

deltalake's own choice is not used: of nanoseconds it drops digits without a word, and whole numbers without a
sign become those with a sign of the same width (seen in 1.6.6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from include.contract.exports import DAY, DAY_TAKEN, unfit_names
from include.exceptions import BadData
from include.excerpt import quote
from include.ingestion.type_names import type_name
from include.lake.exact import common_type, exact

if TYPE_CHECKING:
    import pyarrow as pa

_REMEDY = (
    "declare columns.<name> as 'string' and run `make evolve`, leave it out by privacy.drop, or remove "
    "exports.delta"
)
_MAX_DIGITS = 38


def delta_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type as which Delta Lake holds the values of a type; None if it has none for them.

    What has no value yet stays null, at any depth.
    """
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return delta_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return delta_type(kind.value_type)
    if pa.types.is_nested(kind):
        return _nested(kind)
    if pa.types.is_decimal(kind):
        fits = kind.precision <= _MAX_DIGITS and 0 <= kind.scale <= kind.precision
        return pa.decimal128(kind.precision, kind.scale) if fits else None
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return _scalars().get(str(kind)) or (pa.binary() if pa.types.is_fixed_size_binary(kind) else None)


def _scalars() -> dict[str, pa.DataType]:
    """Return the types of single values by Arrow's names; of what is not in here Delta Lake holds none."""
    import pyarrow as pa

    same = (
        pa.bool_(),
        pa.int8(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.date32(),
    )
    wider = {
        pa.uint8(): pa.int16(),
        pa.uint16(): pa.int32(),
        pa.uint32(): pa.int64(),
        pa.uint64(): pa.decimal128(20, 0),
        pa.float16(): pa.float32(),
        pa.date64(): pa.date32(),
    }
    texts = dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), pa.string())
    contents = dict.fromkeys((pa.binary(), pa.large_binary(), pa.binary_view()), pa.binary())
    found = {**dict(zip(same, same, strict=True)), **wider, **texts, **contents, pa.null(): pa.null()}
    return {str(kind): wanted for kind, wanted in found.items()}


def _nested(kind: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        fields = [(field.name, delta_type(field.type)) for field in kind]
        names = [name.lower() for name, _ in fields]
        fits = fields and all(found is not None for _, found in fields) and len(set(names)) == len(names)
        return pa.struct(fields) if fits else None
    if pa.types.is_map(kind):
        key, item = delta_type(kind.key_type), delta_type(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if hasattr(kind, "value_type") and (item := delta_type(kind.value_type)) is not None:
        return pa.list_(pa.field("element", item))
    return None


def delta_schema(fields: Iterable[pa.Field], *, time: str) -> dict[str, pa.DataType]:
    """Return the types of the columns beside the day of the partition, without those that have no value.

    `time` is the column that decides a row's day: a date `dt` is that of the partition. Raises BadData with
    the first column, its type and the remedy if Delta Lake cannot hold it.
    """
    import pyarrow as pa

    found: dict[str, pa.DataType] = {}
    for field in fields:
        if field.name.lower() == DAY:
            if not (field.name == DAY == time and pa.types.is_date(field.type)):
                raise BadData(f"column {quote(field.name)} {DAY_TAKEN}")
        elif (kind := delta_type(field.type)) is None:
            raise BadData(
                f"column {quote(field.name)} is {quote(type_name(field.type))}, which a Delta Lake table "
                f"cannot hold; {_REMEDY}"
            )
        elif not pa.types.is_null(kind):
            found[field.name] = kind
    return found


def check_names(names: Iterable[str]) -> None:
    """Raise BadData for the first name of a column that not every reader of Delta Lake takes."""
    for name, fault in unfit_names(names):
        raise BadData(f"column {quote(name)} {fault}")


def joined(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type of Delta Lake that holds the values of two of its types; None if there is none."""
    import pyarrow as pa

    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _joined_structs(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        item = joined(one.value_type, other.value_type)
        return None if item is None else pa.list_(pa.field("element", item))
    if pa.types.is_map(one) and pa.types.is_map(other):
        key, item = joined(one.key_type, other.key_type), joined(one.item_type, other.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    found = common_type(one, other)
    return None if found is None else delta_type(found)


def _joined_structs(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    fields: dict[str, pa.DataType | None] = {field.name: field.type for field in one}
    for field in other:
        known = fields.get(field.name, field.type)
        fields[field.name] = None if known is None else joined(known, field.type)
    return None if None in fields.values() else delta_type(pa.struct(list(fields.items())))


def without_null(kind: pa.DataType) -> pa.DataType:
    """Return a type with text in place of what has no value yet within lists, structures and maps."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, without_null(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(without_null(kind.key_type), without_null(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", without_null(kind.value_type)))
    return kind


def as_delta(batch: pa.RecordBatch, types: dict[str, pa.DataType], origin: str) -> pa.RecordBatch:
    """Return rows in the types of a table, with nulls in columns that they lack.

    Raises BadData with the column, both types and a count if a value would become another.
    """
    import pyarrow as pa

    columns = []
    for name, kind in types.items():
        if name not in batch.schema.names:
            columns.append(pa.nulls(len(batch), kind))
            continue
        values = _stored(batch.column(name))
        found = exact(values, kind)
        if found.odd is not None:
            raise BadData(
                f"{origin}: column {quote(name)} is {quote(type_name(values.type))}, which Delta Lake holds "
                f"as {quote(type_name(kind))}: {found.odd.true_count} value(s) would change; {_REMEDY}"
            )
        columns.append(found.values)
    return pa.RecordBatch.from_arrays(columns, names=list(types))


def _stored(values: pa.Array) -> pa.Array:
    """Return values without what only Arrow has: extensions, dictionaries, runs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values.type, pa.BaseExtensionType):
        return _stored(values.storage)
    if isinstance(values.type, pa.DictionaryType):
        return values.dictionary_decode()
    return pc.run_end_decode(values) if isinstance(values.type, pa.RunEndEncodedType) else values
