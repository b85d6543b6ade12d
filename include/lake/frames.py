"""Frames: rows of the lake as pandas frames in which every value is the one that was put in.

Left to itself, Arrow makes floats of whole numbers beside a null, in lists and structures too: ids of many
digits collide, and 123 reads as 123.0. What has no null keeps the type that it always had, which is as fast
as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.exceptions import BadData
from include.excerpt import quote

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_UNFIT = (ValueError, TypeError, KeyError, OverflowError, NotImplementedError)
"""What a conversion raises; Arrow's errors and those of unknown zones are among these. They quote values."""


def to_frame(rows: pa.Table) -> pd.DataFrame:
    """Return rows as a frame; raises BadData naming a column with values that no frame can hold.

    Beside a null, whole numbers are pandas' `Int64` (or their own width) and truth values its `boolean`;
    lists and structures are then lists and mappings of Python. Times before 1678 are in UTC.
    """
    exact = {number: way for number, column in enumerate(rows.columns) if (way := _exact(column))}
    others = [number for number in range(rows.num_columns) if number not in exact]
    try:
        frame = (rows.select(others) if exact else rows).to_pandas(ignore_metadata=True)
        for number, way in exact.items():
            name, column = rows.column_names[number], way(rows.column(number))
            frame.insert(number, name, column, allow_duplicates=True)
    except _UNFIT:
        raise _unfit(rows) from None
    return frame


def concat(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below the other; columns whose kinds do not agree hold each value as it is.

    pandas would make floats of numbers with and without a sign, of whole numbers beside floats, and of those
    of a column that another frame lacks.
    """
    import pandas as pd

    found: dict[str, set[str]] = {}
    for frame in frames:
        for name, kind in kinds(frame).items():
            found.setdefault(name, set()).add(kind)
    mixed = {name for name, seen in found.items() if len(seen) > 1}
    lacked = {name for name in found if any(name not in frame.columns for frame in frames)} - mixed
    return pd.concat([_unified(frame, mixed, lacked) for frame in frames], ignore_index=True)


def kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Return each column's kind of values: columns of one kind become one column without a loss."""
    return {str(name): _kind(dtype) for name, dtype in frame.dtypes.items()}


def _kind(dtype: Any) -> str:
    return str(dtype.kind if dtype.kind in "biuf" else dtype)


def _unified(frame: pd.DataFrame, mixed: set[str], lacked: set[str]) -> pd.DataFrame:
    columns = {
        name: column.astype("object").where(column.notna(), None)
        if name in mixed
        else column.astype(_nullable_name(str(column.dtype)))
        for name, column in frame.items()
        if name in mixed or (name in lacked and column.dtype.kind in "biu")
    }
    return frame.assign(**columns) if columns else frame


def _exact(column: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any] | None:
    """Return how to convert a column of which Arrow's own way would change values; None if it would not."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _nullable if column.null_count else None
    if pa.types.is_timestamp(kind) and kind.tz not in (None, "UTC"):
        return _in_utc if _is_before_zones(column) else None
    return _objects if pa.types.is_nested(kind) and any(map(_hides_null, column.chunks)) else None


def _nullable(column: pa.ChunkedArray) -> pd.Series:
    import pandas as pd

    dtype = pd.api.types.pandas_dtype(_nullable_name(str(column.type)))
    return column.to_pandas(types_mapper=lambda _: dtype)


def _nullable_name(name: str) -> str:
    """Return pandas' type that has nulls for a type of whole numbers or truth values."""
    return "boolean" if name == "bool" else name.replace("int", "Int").replace("u", "U")


def _is_before_zones(column: pa.ChunkedArray) -> bool:
    """Return whether times lie before 1678, for which pandas does not know the offsets of every zone.

    Seen in pandas 2.3.3 with pytz: some such columns end the process, others raise a KeyError. Drop once
    `list(column)` gives the values of times in Asia/Kolkata of that age.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    first = pc.min(column.cast(pa.timestamp(column.type.unit)))
    limit = pa.scalar(datetime(1678, 1, 1), first.type)
    return bool(pc.less(first, limit).as_py())


def _in_utc(column: pa.ChunkedArray) -> pd.Series:
    import pyarrow as pa

    return column.cast(pa.timestamp(column.type.unit, "UTC")).to_pandas()


def _objects(column: pa.ChunkedArray) -> pd.Series:
    import pandas as pd

    return pd.Series(column.to_pylist(), dtype="object")


def _hides_null(values: pa.Array) -> bool:
    """Return whether a whole number is missing at some depth of lists, structures and maps."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_struct(kind):
        return any(map(_hides_null, values.flatten()))
    if pa.types.is_map(kind):
        return _hides_null(values.keys) or _hides_null(values.items)
    if pa.types.is_nested(kind) and hasattr(values, "flatten"):
        return _hides_null(values.flatten())
    return bool(pa.types.is_integer(kind) and values.null_count)


def _unfit(rows: pa.Table) -> BadData:
    """Return the error that names the first column that cannot be converted alone."""
    for number, name in enumerate(rows.column_names):
        column = rows.column(number)
        try:
            (_exact(column) or (lambda one: one.to_pandas()))(column)
        except _UNFIT:
            kind = quote(str(column.type))
            return BadData(
                f"column {quote(name)} ({kind}) holds values that pandas cannot hold, such as years after "
                "9999, nanoseconds of a time of day, or an unknown zone; cast it in the source, for instance "
                "to text, and ingest the days again"
            )
    return BadData(f"the columns {quote(rows.column_names)} cannot be held together; read fewer of them")
