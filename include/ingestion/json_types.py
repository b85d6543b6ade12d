"""Lines of JSON as Arrow reads them, without what it guesses: times in text, and no value for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Path = tuple[str, ...]
"""The keys that lead to a value; `ITEM` stands for any place in an array."""
ITEM = "[]"
_EXACT = 2.0**53
"""Below it each whole number is a decimal number, too."""


def parsed(content: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the rows of lines, with these types for columns if they fit; raises ArrowInvalid."""
    return _without_times(content, _tried(content, types))


def large(table: pa.Table) -> set[Path]:
    """Return where decimal numbers are so large that they may be whole ones, rounded."""
    return {path for name in table.column_names for path in _large(table.column(name), (name,))}


def _tried(content: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Parse lines with the types of the lines before, which most lines fit, else with their own."""
    import pyarrow as pa

    try:
        return _parse(content, types)
    except pa.ArrowInvalid:
        return _parse(content, {})


def _without_times(content: bytes, table: pa.Table) -> pa.Table:
    """Return the table with text where Arrow has guessed times."""
    types = {field.name: _textual(field.type) for field in table.schema}
    if types == {field.name: field.type for field in table.schema}:
        return table
    return _parse(content, types).select(table.column_names)


def _parse(content: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import json

    known = [(name, kind) for name, given in types.items() if (kind := _valued(given)) is not None]
    options = json.ParseOptions(explicit_schema=pa.schema(known) if known else None)
    for size in (1 << 20, len(content) + 1):  # Arrow's own blocks, read by several threads, hold whole lines
        try:
            return json.read_json(
                pa.BufferReader(content), json.ReadOptions(block_size=size), parse_options=options
            )
        except pa.ArrowInvalid as error:
            if "straddl" not in str(error):
                raise
    raise pa.ArrowInvalid("a line is longer than its block")


def _textual(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _textual(field.type)) for field in kind])
    return pa.list_(_textual(kind.value_type)) if pa.types.is_list(kind) else kind


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
        yield from () if top is None or top < _EXACT else (path,)
    elif pa.types.is_struct(kind):
        for field, below in zip(kind, column.flatten(), strict=True):
            yield from _large(below, (*path, field.name))
    elif pa.types.is_list(kind):
        yield from _large(pc.list_flatten(column), (*path, ITEM))
