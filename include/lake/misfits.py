"""Misfits: which values are not what their column takes them for, found without quoting any."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def misfits(values: pa.Array, *kinds: pa.DataType) -> int:
    """Return how many values cannot be cast to these types, one after the other."""
    import pyarrow as pa

    return len(failing(values, lambda some: reduce(pa.Array.cast, kinds, some)))


def failing(values: pa.Array, convert: Callable[[pa.Array], pa.Array], first: int = 0) -> list[int]:
    """Return the places of the values that cannot be converted, found by halving; `first` is the first's."""
    import pyarrow as pa

    try:
        convert(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(values) == 1:
            return [first]
        half = len(values) // 2
        return [*failing(values[:half], convert, first), *failing(values[half:], convert, first + half)]
    return []


def refusals(values: pa.Array, kind: pa.DataType) -> pa.BooleanArray:
    """Return where Arrow refuses to cast a value to a type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pa.array(failing(values, lambda some: some.cast(kind)), pa.int64())
    return pc.is_in(pa.array(range(len(values)), pa.int64()), places)
