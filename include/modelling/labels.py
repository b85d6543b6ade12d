"""Labels: the rows of a pipeline with their targets, which stand in the rows or come from another table.

The one place where rows meet labels: training, evaluation and monitoring read through it. Both tables are
read at one commit, so an older commit gives the labels of then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from include.contract.feed import Feed, Stage
from include.contract.model import Model
from include.contract.pipeline import Pipeline
from include.contract.types import FIRST_DAY, LAST_DAY
from include.lake.frames import to_frame
from include.lake.table import Table
from include.modelling import features
from include.modelling.key_index import KeyIndex

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_CHUNK_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """How labels and rows have met: rows with a label, rows that wait for one, and labels without a row.

    `labels` are those that were looked at, of the days that can hold labels of the rows; `table` holds them.
    """

    matched: int
    waiting: int
    orphan: int
    labels: int
    table: str

    def numbers(self, prefix: str = "") -> dict[str, float]:
        """Return the counts as metrics."""
        counts = {"matched": self.matched, "waiting": self.waiting, "orphan": self.orphan}
        return {f"{prefix}labels.{name}": float(count) for name, count in counts.items()}

    def explain(self, pipeline_name: str) -> str:
        """Return what keeps rows from having a label, and what to do, as the end of a message."""
        if not self.labels:
            return (
                f"; table {self.table!r} has no label of these days or later: run "
                f"{pipeline_name}.labels first"
            )
        return (
            f"; {self.waiting} row(s) wait for their label, and {self.orphan} of {self.labels} label(s) have "
            f"no row here: run {pipeline_name}.labels for more days, or correct labels.keys"
        )


class LabelledDays(NamedTuple):
    """Days with their rows, and how labels were found; None where the target stands in the rows."""

    days: Iterable[tuple[date, pa.Table]]
    counts: LabelCounts | None


class LabelledFrame(NamedTuple):
    """Rows, and how labels were found; None where the target stands in the rows."""

    rows: pd.DataFrame
    counts: LabelCounts | None


@dataclass(frozen=True)
class Rows:
    """The rows of a pipeline with their targets; `table` is that of the rows."""

    pipeline: Pipeline
    table: Table

    def days(self, commit: str, first: date, last: date, columns: Sequence[str]) -> LabelledDays:
        """Return each day from `first` to `last` that has rows, with these columns, in order.

        A row whose label is not there has null as its target. Raises what `Table.partitions` does, BadData
        also for keys whose types cannot be compared.
        """
        target = self.pipeline.model.target
        if self.pipeline.labels is None or target not in columns:
            return LabelledDays(self.table.partitions(commit, first, last, columns), None)
        feed = self.pipeline.feed(Stage.LABELS)
        read = list(dict.fromkeys([*(name for name in columns if name != target), *feed.keys]))
        days = list(self.table.partitions(commit, first, last, read))
        if not days:
            return LabelledDays([], None)
        keys = self.table.joined([rows.select(feed.keys) for _, rows in days])
        found, counts = self._labels(feed, KeyIndex(keys, self.table.name, feed), commit, first)
        return LabelledDays(_with_target(days, target, found, columns), counts)

    def frame(self, commit: str, first: date, last: date, columns: Sequence[str]) -> LabelledFrame:
        """Return the rows from `first` to `last` as one frame, in order; raises Absent if no day has data."""
        found = self.days(commit, first, last, columns)
        tables = [rows for _, rows in found.days]
        if not tables:
            raise self.table.absence(commit, first, last)
        return LabelledFrame(to_frame(self.table.joined(tables)), found.counts)

    def _labels(
        self, feed: Feed, index: KeyIndex, commit: str, first: date
    ) -> tuple[np.ndarray, LabelCounts]:
        """Return the target of each row, and the counts.

        Labels can be known from the day of their row on, which may be the day before in another zone.
        """
        same_zone = feed.source.timezone == self.pipeline.source.timezone
        begin = first if same_zone else max(first - timedelta(days=1), FIRST_DAY)
        table, target = Table(self.table.lake, feed.table, feed.since), str(feed.target)
        batches = table.batches(commit, begin, LAST_DAY, [*feed.keys, target])
        return targets(index, _chunks(batches, max(_CHUNK_ROWS, len(index))), feed, self.pipeline.model)


def targets(
    index: KeyIndex, labels: Iterable[pa.Table], feed: Feed, model: Model
) -> tuple[np.ndarray, LabelCounts]:
    """Return the target of each row of an index, NaN where it is not known, and the counts.

    `labels` come oldest first: of several for a key the last one counts. One table is in memory at a time.
    Raises BadData for targets other than 0 and 1, and for keys whose types cannot be compared.
    """
    import numpy as np

    known, seen, orphans = np.full(len(index), np.nan), 0, 0
    for some in labels:
        places = index.places(some)
        given = to_frame(some.select([feed.target])).set_axis([model.target], axis="columns")
        values = features.labels(given, model).to_numpy()
        seen, orphans = seen + len(places), orphans + int((places < 0).sum())
        last, at = np.unique(places[::-1], return_index=True)
        known[last[last >= 0]] = values[::-1][at][last >= 0]
    found = index.spread(known)
    waiting = int(np.isnan(found).sum())
    return found, LabelCounts(
        matched=len(found) - waiting, waiting=waiting, orphan=orphans, labels=seen, table=feed.table
    )


def _with_target(
    days: Sequence[tuple[date, pa.Table]], target: str, found: np.ndarray, columns: Sequence[str]
) -> Iterator[tuple[date, pa.Table]]:
    import pyarrow as pa

    done = 0
    for day, rows in days:
        values = pa.array(found[done : done + rows.num_rows], from_pandas=True)  # NaN becomes null
        done += rows.num_rows
        yield day, rows.append_column(target, values).select(columns)


def _chunks(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield batches together, at least so many rows at once, as a lookup costs as much as all keys."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    for batch in batches:
        if held and held[0].schema != batch.schema:
            yield pa.Table.from_batches(held)
            held = []
        held.append(batch)
        if sum(map(len, held)) >= rows:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
