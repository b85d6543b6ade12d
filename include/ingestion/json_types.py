"""Lines of JSON as Arrow reads them, without what it guesses: times in text, and no value for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from include.floats import MAX_EXACT

if TYPE_CHECKING:
    import pyarrow as pa

Path = tuple[str, ...]
"""The keys that lead to a value; `ITEM` stands for any place in an array."""
ITEM = "[]"


def parsed(content: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the rows of lines, with these types for columns if they fit; raises ArrowInvalid.

    What Arrow has guessed is read again with its types written down, where the guess loses something: times
    in text, and of pyarrow 25.0.1 also nulls at the beginning of lists. Drop the latter once the table that
    it reads of `{"a":[null,1]}` passes `validate(full=True)`.
    """
    import pyarrow as pa

    table, known = _tried(content, types)
    exact = {field.name: _textual(field.type) for field in table.schema}
    guessed = (field for field in table.schema if known.get(field.name) != field.type)
    if not any(field.type != exact[field.name] or _has_list(field.type) for field in guessed):
        return table
    again = _parse(content, {name: _stand_in(kind) for name, kind in exact.items()})
    return pa.table({name: _without_stand_in(again.column(name), kind) for name, kind in exact.items()})


def large(table: pa.Table) -> set[Path]:
    """Return where decimal numbers are so large that they may be whole ones, rounded."""
    return {path for name in table.column_names for path in _large(table.column(name), (name,))}


def _tried(content: bytes, types: Mapping[str, pa.DataType]) -> tuple[pa.Table, Mapping[str, pa.DataType]]:
    """Parse lines with the types of the lines before, which most lines fit, else with guesses.

    Return the types that were given, too.
    """
    import pyarrow as pa

    known = {name: kind for name, given in types.items() if (kind := _valued(given)) is not None}
    try:
        return _parse(content, known), known
    except pa.ArrowInvalid:
        return _parse(content, {}), {}


def _parse(content: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import json

    options = json.ParseOptions(explicit_schema=pa.schema(list(types.items())) if types else None)
    for size in (1 << 20, len(content) + 1):  # Arrow's own blocks, read by several threads, hold whole lines
        try:
            return json.read_json(
                pa.BufferReader(content), json.ReadOptions(block_size=size), parse_options=options
            )
        except pa.ArrowNotImplementedError:  # of blocks with different guesses; one block has one
            continue
        except pa.ArrowInvalid as error:
            if "straddl" not in str(error):
                raise
    raise pa.ArrowInvalid("not even one block is read")


def _has_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(_has_list(field.type) for field in kind)
    return bool(pa.types.is_list(kind))


def _textual(kind: pa.DataType) -> pa.DataType:
    """Return a type with text for times."""
    import pyarrow as pa

    return _replaced(kind, pa.types.is_timestamp, pa.string())


def _stand_in(kind: pa.DataType) -> pa.DataType:
    """Return a type that can be written down for values that are all null."""
    import pyarrow as pa

    return _replaced(kind, pa.types.is_null, pa.int64())


def _replaced(kind: pa.DataType, is_odd: Callable[[Any], bool], other: pa.DataType) -> pa.DataType:
    """Return a type with another one in place of odd ones, at any depth."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _replaced(field.type, is_odd, other)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_replaced(kind.value_type, is_odd, other))
    return other if is_odd(kind) else kind


def _without_stand_in(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([_as(chunk, kind) for chunk in column.chunks], kind)


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return an array with nulls of no type in place of those of a stand-in."""
    import pyarrow as pa

    if array.type == kind:
        return array
    if pa.types.is_null(kind):
        return pa.nulls(len(array))
    if pa.types.is_list(kind):
        values = _as(array.values, kind.value_type)
        return pa.ListArray.from_arrays(array.offsets, values, type=kind, mask=array.is_null())
    below = [_as(array.field(number), field.type) for number, field in enumerate(kind)]
    return pa.StructArray.from_arrays(below, fields=list(kind), mask=array.is_null())


def _valued(kind: pa.DataType) -> pa.DataType | None:
    """Return the parts of a type that had values; Arrow takes the type of none for no value for ever."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        fields = [(field.name, _valued(field.type)) for field in kind]
        return pa.struct([(name, found) for name, found in fields if found is not None])
    if pa.types.is_list(kind):
        return None if (found := _valued(kind.value_type)) is None else pa.list_(found)
    return None if pa.types.is_null(kind) else kind


def _large(column: Any, path: Path) -> Iterator[Path]:
    """Yield the paths of decimal numbers so large that they may be whole ones, rounded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_floating(kind):
        top = pc.max(pc.abs(column)).as_py()
        yield from () if top is None or top < MAX_EXACT else (path,)
    elif pa.types.is_struct(kind):
        for field, below in zip(kind, column.flatten(), strict=True):
            yield from _large(below, (*path, field.name))
    elif pa.types.is_list(kind):
        yield from _large(pc.list_flatten(column), (*path, ITEM))
