"""Casting: bring the values of a column to another type, exactly or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.ingestion.text_values import TextForm
from include.lake.exact import Converted, exact, family

if TYPE_CHECKING:
    import pyarrow as pa


def cast(values: pa.Array, kind: pa.DataType, *, form: TextForm | None) -> Converted:
    """Return values as another type, null where they are none of it.

    With a `form`, values change between numbers, truth values and text, too, as far as both mean the same;
    else only within their family, such as from whole numbers to numbers.
    """
    import pyarrow as pa

    if form is not None and pa.types.is_string(values.type):
        return form.parse(values, kind)
    if values.type == kind:
        return Converted(values, None)
    if pa.types.is_null(values.type):
        return Converted(pa.nulls(len(values), kind), None)
    if form is not None and form.time_formats and pa.types.is_timestamp(kind):
        whole = cast(values, pa.int64(), form=None)
        found = form.parse(whole.values.cast(pa.string()), kind)
        return Converted(found.values, whole.odd if found.odd is None else found.odd)
    if not _is_related(values.type, kind) and not (form and _has_same_meaning(values.type, kind)):
        return Converted(pa.nulls(len(values), kind), values.is_valid())
    return exact(values, kind)


def _is_related(one: pa.DataType, other: pa.DataType) -> bool:
    """Return whether two types hold the same kind of value."""
    return family(one) == family(other)


def _has_same_meaning(one: pa.DataType, other: pa.DataType) -> bool:
    """Return whether a contract may declare one type for values of the other."""
    import pyarrow as pa

    is_a, kinds = pa.types, (one, other)
    if any(map(is_a.is_boolean, kinds)):
        return all(is_a.is_boolean(kind) or is_a.is_integer(kind) for kind in kinds)
    return is_a.is_string(other) and (is_a.is_integer(one) or is_a.is_decimal(one) or family(one) == "time")
