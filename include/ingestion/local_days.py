"""The day of each row, in the time zone of its source."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from include.contract.data import Source
from include.exceptions import BadData
from include.ingestion.readers import SourceBatch
from include.lake.misfits import misfits

if TYPE_CHECKING:
    import pyarrow as pa


def local_days(found: SourceBatch, source: Source) -> Any:
    """Return the local day of each row; raises BadData for values that are no time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = _moments(found, source)
    if moments.type.tz:
        moments = pc.local_timestamp(moments.cast(pa.timestamp("us", source.timezone), safe=False))
    return moments.cast(pa.timestamp("us"), safe=False).cast(pa.date32(), safe=False)


def _moments(found: SourceBatch, source: Source) -> Any:
    """Return the time column as time stamps; text may name a zone, in all values or in none."""
    import pyarrow as pa

    column = found.batch.column(source.partition_by)
    kind, where = column.type, f"{found.origin}: column {source.partition_by!r}"
    if pa.types.is_timestamp(kind):
        if kind.unit in ("s", "ms") and (far := misfits(column, pa.timestamp("us", kind.tz))):
            raise BadData(
                f"{where}: {far} of {len(column)} values are no days of the years 1 to 9999; correct them"
            )
        return column
    if not (pa.types.is_string(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)):
        raise BadData(f"{where} is {kind}; write time stamps, or text such as '2013-01-01 05:00:00'")
    odd = []
    for target in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        odd.append(misfits(column, target))
        if not odd[-1]:
            return column.cast(target)
    raise BadData(
        f"{where}: {min(odd)} of {len(column)} values cannot be read as time; "
        "write text such as '2013-01-01 05:00:00'"
    )


def between(days: pa.Array, first: date, last: date) -> pa.Array:
    """Return which days lie from the first to the last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.and_(pc.greater_equal(days, pa.scalar(first)), pc.less_equal(days, pa.scalar(last)))
