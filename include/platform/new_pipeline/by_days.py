"""The sample of a table, a query or a function: its newest days, each of them whole.

Nobody can tell the order in which such a source returns its rows, so the first of them may be parts of days.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.contract.data import Reader
from include.contract.types import FIRST_DAY, LAST_DAY
from include.exceptions import BadData
from include.excerpt import quote
from include.ingestion.arrow_types import plain
from include.ingestion.local_days import between, local_days
from include.platform.new_pipeline.columns import Column, column_of_values
from include.platform.new_pipeline.origin import Origin
from include.platform.new_pipeline.places import UNKNOWN, Asked, Place
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.roles import time_column
from include.platform.new_pipeline.sample import Sample, columns_of, most_rows, together
from include.platform.new_pipeline.windows import local_times

if TYPE_CHECKING:
    import pyarrow as pa

MOST_DAYS = 127
"""Days that are looked at: enough for the usual window of training and what is monitored after it."""
ENOUGH_SECONDS = 60.0
"""After so long no more days are read."""
_ANY = date(2024, 1, 1)
"""For what does not depend on days."""


def read_by_days(place: Place, time_name: str | None, asked: Asked) -> tuple[Origin, Sample]:
    """Return where the data lies, and a sample of its newest days.

    Raises what reading does, and BadData or Misconfigured where there are no rows, or no time column.
    """
    if place.knows_newest:
        column, kind = _time(place, time_name)
        place = place.timed(column.name, kind)
        newest = asked.last or min(_newest_day(place), datetime.now(UTC).date())
    else:
        newest = asked.last or datetime.now(UTC).date() - timedelta(days=1)
    earliest = asked.first or max(FIRST_DAY, newest - timedelta(days=MOST_DAYS - 1))
    found = _Newest(place, earliest, newest)
    found.read()
    return _origin(place), _sample(found)


def _time(place: Place, name: str | None) -> tuple[Column, pa.DataType]:
    """Return the time column, from the first rows, and the type that the source gives it."""
    with closing(place.rows(_ANY, _ANY)) as batches:
        batch = next((found.batch for found in batches if len(found.batch)), None)
    if batch is None:
        raise BadData(f"{place.name} has no rows; provide rows")
    table = together([_plain(batch, place)], place.name)
    column, _ = time_column(columns_of(table), name)
    return column, table.schema.field(column.name).type


def _newest_day(place: Place) -> date:
    column = column_of_values("newest", together([place.newest()], place.name).column(0))
    found: date | None = None
    if column.type.is_time:
        found = local_times(column).cast("date32", safe=False)[0].as_py()
    if found is None:
        raise BadData(
            f"{place.name}: the newest value of the time column is not a time; correct the data, or name a "
            "day that has rows, as in LAST=2024-03-31"
        )
    return max(FIRST_DAY, min(LAST_DAY, found))


class _Newest:
    """The rows of the newest days, read backwards in steps that double, until there are enough.

    `first` is the first day that was read, `earliest` the first that would be. A single day of too many rows
    `is_cut`.
    """

    def __init__(self, place: Place, earliest: date, last: date) -> None:
        self.place, self.earliest, self.last = place, earliest, last
        self.first = last
        self.is_cut = False
        self.batches: list[pa.RecordBatch] = []
        self._left: int | None = None

    @property
    def has_all(self) -> bool:
        """Whether every day from the earliest on was read."""
        return self.first == self.earliest and not self.is_cut

    def read(self) -> None:
        """Read the days; raises BadData if they have no rows."""
        ends = time.monotonic() + ENOUGH_SECONDS
        last, days, growth = self.last, 1, 2
        while True:
            first = max(self.earliest, last - timedelta(days=days - 1))
            rows, is_cut = self._rows(first, last)
            if is_cut and days > 1:
                days, growth = days // 2, 1
                continue
            if is_cut and self.batches:
                break
            self.batches, self.first, self.is_cut = [*rows, *self.batches], first, is_cut
            if is_cut or first == self.earliest or time.monotonic() > ends:
                break
            self._left = None if self._left is None else self._left - sum(map(len, rows))
            last, days = first - timedelta(days=1), days * growth
        if not self.batches:
            raise BadData(
                f"{self.place.name} has no rows from {self.first} to {self.last}; name days that have some, "
                "as in FIRST=2024-01-01 LAST=2024-03-31"
            )

    def _rows(self, first: date, last: date) -> tuple[list[pa.RecordBatch], bool]:
        """Return the rows of some days, and whether there are more than a sample takes."""
        kept: list[pa.RecordBatch] = []
        with closing(self.place.rows(first, last)) as found:
            for batch in self._own(found, first, last):
                left = most_rows(batch.num_columns) if self._left is None else self._left
                if (free := left - sum(map(len, kept))) < len(batch):
                    return [*kept, batch.slice(0, free)], True
                kept.append(batch)
        if kept and self._left is None:
            self._left = most_rows(kept[0].num_columns)
        return kept, False

    def _own(self, found: Iterator[Any], first: date, last: date) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some days; rows without a time are those of the last day, so that they show."""
        import pyarrow.compute as pc

        source = self.place.source
        for one in found:
            batch = _plain(one.batch, self.place)
            if source.partition_by != UNKNOWN:
                days = local_days(one._replace(batch=batch), source)
                own = pc.fill_null(between(days, first, last), last == self.last)
                batch = batch.filter(own)
            if len(batch):
                yield batch


def _plain(batch: pa.RecordBatch, place: Place) -> pa.RecordBatch:
    names = batch.schema.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadData(f"{place.name}: column {quote(twice[0])} is there twice; give each a name of its own")
    return plain(batch, place.name)


def _sample(found: _Newest) -> Sample:
    table = together(found.batches, found.place.name)
    columns = columns_of(table)
    span = f"{found.first} to {found.last}"
    if found.is_cut:
        why = f"a part of {found.last}, which has more; the rest may differ"
    elif found.has_all:
        why = f"every row of the days from {span}"
    else:
        why = f"every row of the days from {span}; days before may differ"
    asked = (found.last - found.earliest).days + 1
    return Sample(
        columns=columns,
        rows=table.num_rows,
        share=1.0 if found.has_all else min(0.99, ((found.last - found.first).days + 1) / asked),
        dialect=None,
        reasons=(Reason("sample", f"{table.num_rows:,} rows, {len(columns):,} columns", why),),
        days=(found.first, found.last),
        earliest=found.earliest,
        has_whole_days=not found.is_cut,
    )


def _origin(place: Place) -> Origin:
    """Return the origin, with the keys of the contract's section `source`."""
    source = place.source
    given = source.model_dump(mode="json", include={"uri", "conn_id", "query", "callable"}, exclude_none=True)
    reasons = {
        Reader.DELTA: Reason(
            "source.reader",
            "delta",
            f"a Delta Lake table, seen at version {place.version}; loads take the newest",
        ),
        Reader.SQL: Reason(
            "source.query", source.query or "", "of TABLE" if place.table else "as QUERY says"
        ),
        Reader.PYTHON: Reason("source.callable", str(source.callable), "as FROM says"),
    }
    return Origin(
        reader=source.reader,
        keys=given,
        files=(),
        size=0,
        reasons=(reasons[source.reader],),
    )
