"""Misfits: how many values are not what their column takes them for, counted without quoting any."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

from include.contract.dialect import Csv

if TYPE_CHECKING:
    import pyarrow as pa


def misfits(values: pa.Array, *kinds: pa.DataType) -> int:
    """Return how many values cannot be cast to these types, one after the other."""
    import pyarrow as pa

    return _failing(values, lambda some: reduce(pa.Array.cast, kinds, some))


def misfits_of_csv(values: pa.Array, kind: pa.DataType, dialect: Csv) -> int:
    """Return how many cells of a CSV file, as bytes, are no values of a type."""
    import pyarrow as pa

    return _failing(values, lambda some: _plain(some.cast(pa.string()), kind, dialect).cast(kind))


def _failing(values: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> int:
    """Return how many values cannot be converted; found by halving."""
    import pyarrow as pa

    try:
        convert(values)
    except pa.ArrowInvalid:
        half = len(values) // 2
        return _failing(values[:half], convert) + _failing(values[half:], convert) if half else 1
    return 0


def _plain(cells: pa.Array, kind: pa.DataType, dialect: Csv) -> pa.Array:
    """Return cells as Arrow's casts read them, whatever words, marks and formats the dialect has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(kind) and dialect.decimal != ".":
        return pc.replace_substring(pc.replace_substring(cells, ".", "no"), dialect.decimal, ".")
    if pa.types.is_boolean(kind):
        for words, plain in ((dialect.true_values, "true"), (dialect.false_values, "false")):
            cells = pc.if_else(pc.is_in(cells, pa.array(words, pa.string())), plain, cells)
    if pa.types.is_timestamp(kind):
        for time_format in dialect.time_formats:
            times = pc.strptime(cells, time_format, "s", error_is_null=True)
            cells = pc.if_else(pc.is_valid(times), "1970-01-01", cells)
    return cells
