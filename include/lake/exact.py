"""Exact casts: values of one type as those of another, where both are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from include.floats import MAX_EXACT
from include.lake.misfits import refusals

if TYPE_CHECKING:
    import pyarrow as pa


_MAX_EXACT = {16: 2.0**11, 32: 2.0**24, 64: float(MAX_EXACT)}
"""From here on, a float of so many bits does not hold every whole number."""


class Converted(NamedTuple):
    """Values of one type, null where a value is none of it; `odd` says where that is, None for nowhere."""

    values: pa.Array
    odd: pa.BooleanArray | None


def exact(values: pa.Array, kind: pa.DataType) -> Converted:
    """Return values as another type, null where they would not be the same if they were cast back."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.type == kind:
        return Converted(values, None)
    if pa.types.is_nested(kind):
        return _nested(values, kind)
    if pa.types.is_floating(values.type) and not pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), None, values)  # as pandas writes a missing number
        values, infinite = pc.if_else(pc.is_finite(values), values, None), pc.is_inf(values)
    else:
        infinite = None
    try:
        there = values.cast(kind, safe=False)
        same = _same(there.cast(values.type, safe=False), values)
        if pa.types.is_integer(kind) and pa.types.is_integer(values.type):  # 2**63 would come back, too
            same = pc.and_(same, pc.equal(pc.less(there, 0), pc.less(values, 0)))
        if pa.types.is_decimal(values.type) and pa.types.is_floating(kind):
            # A tenth has no equal float either, but a near one; a key of many digits has none.
            same = pc.or_(same, pc.less(pc.abs(there), _MAX_EXACT[kind.bit_width]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        there, same = _one_by_one(values, kind)
    odd = pc.fill_null(pc.invert(same), False)
    if infinite is not None:
        odd = pc.or_(odd, pc.fill_null(infinite, False))
    if not odd.true_count:
        return Converted(there, None)
    return Converted(pc.if_else(odd, None, there), odd)


def _nested(values: pa.Array, kind: pa.DataType) -> Converted:
    """Return lists and structures as another type, all of them or none."""
    import pyarrow as pa

    try:
        there = values.cast(kind)
        if common_type(values.type, kind) == kind or there.cast(values.type).equals(values):
            return Converted(there, None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    return Converted(pa.nulls(len(values), kind), values.is_valid())


def _same(back: Any, values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    same = pc.equal(back, values)
    if pa.types.is_floating(values.type):
        same = pc.or_(same, pc.and_(pc.is_nan(back), pc.is_nan(values)))
    return same


def _one_by_one(values: pa.Array, kind: pa.DataType) -> tuple[Any, Any]:
    """Return values cast where that is safe, and where it is; for casts that have no unsafe way."""
    import pyarrow.compute as pc

    refused = refusals(values, kind)
    return pc.if_else(refused, None, values).cast(kind), pc.invert(refused)


def family(kind: pa.DataType) -> str:
    """Return what kind of value a type holds, whatever its width, unit or precision."""
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind):
        return "number"
    if is_a.is_timestamp(kind) and kind.tz is not None:
        return "instant"
    if is_a.is_date(kind) or is_a.is_timestamp(kind):
        return "time"
    return "other" if is_a.is_nested(kind) else str(kind).partition("[")[0]


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that may hold the values of both; None if there is none.

    Whether every value is the same in it is known only when it is cast.
    """
    import pyarrow as pa

    is_a = pa.types
    if one == other or is_a.is_null(other):
        return one
    if is_a.is_null(one):
        return other
    if family(one) != family(other):
        return None
    if is_a.is_date(one) or is_a.is_date(other):
        return pa.timestamp("us")
    try:
        return pa.unify_schemas(
            [pa.schema({"column": kind}) for kind in (one, other)], promote_options="permissive"
        ).types[0]
    except pa.ArrowException:
        return None
