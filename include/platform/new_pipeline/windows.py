"""The windows of training and monitoring, chosen by how many rows a day has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, sqrt
from statistics import median
from typing import TYPE_CHECKING

from include.modelling.metrics import MIN_ROWS
from include.platform.new_pipeline.columns import Column, Type
from include.platform.new_pipeline.origin import Origin
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa

_ENOUGH_ROWS = 2 * MIN_ROWS
_ENOUGH_OF_A_CLASS = 10
_MOST_DAYS = 1000
"""Days that are estimated from a sample, which may be wrong by much."""
_USUAL_WINDOW, _USUAL_HOLDOUT, _USUAL_MONITORED = 90, 14, 7
KEPT_DAYS = 5
"""The last days of the data, which no window of training needs: `make try` monitors them."""


@dataclass(frozen=True)
class Day:
    """A day of the sample: its rows, those with a target, and those whose target is 1."""

    day: date
    rows: int
    labelled: int
    positive: int


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Days of training and monitoring, and the distances and rows that these make sound."""

    window: int
    holdout: int
    monitored: int
    wasserstein: float
    jensenshannon: float
    min_rows: int
    reasons: tuple[Reason, ...]


def days_of(time: Column, target: Column) -> list[Day]:
    """Return the days of the sample, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    truth = target.values.cast(pa.float64())
    table = pa.table(
        {
            "day": local_times(time).cast(pa.date32(), safe=False),
            "labelled": pc.is_valid(truth).cast(pa.int64()),
            "positive": pc.fill_null(truth, 0.0),
        }
    )
    sums = table.group_by("day").aggregate([("day", "count"), ("labelled", "sum"), ("positive", "sum")])
    rows = sums.sort_by("day").to_pylist()
    return [
        Day(row["day"], row["day_count"], row["labelled_sum"], round(row["positive_sum"])) for row in rows
    ]


def local_times(time: Column) -> pa.ChunkedArray:
    """Return the times of a column in UTC, without a zone."""
    import pyarrow as pa

    if time.type is Type.TIMESTAMPTZ:
        return time.values.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    return time.values


def estimated(days: Sequence[Day], sample: Sample, origin: Origin) -> list[Day]:
    """Return the days of all data: where the sample lacks some, a day of the middle stands for each.

    Of several files, the first and the last are always in the sample; of one file, the beginning.
    """
    if sample.is_whole:
        return list(days)
    counts = ("rows", "labelled", "positive")
    middle = {name: round(median(getattr(day, name) for day in days)) for name in counts}
    first, known = sample.earliest or days[0].day, {day.day: day for day in days}
    span = (days[-1].day - first).days + 1
    if len(origin.files) == 1:
        span = min(_MOST_DAYS, max(span, round(span / sample.share)))
    every = [first + timedelta(days=number) for number in range(span)]
    return [known.get(day) or Day(day, **middle) for day in every]


def choose(days: Sequence[Day], categories: int) -> Windows:
    """Return windows that hold enough rows; `categories` is the most that a feature has."""
    span = (days[-1].day - days[0].day).days + 1
    used = [day for day in days if day.day <= days[-1].day - timedelta(days=_kept(span))] or list(days)
    holdout = _holdout(used, span)
    window = max(holdout + 1, min(_USUAL_WINDOW, span - _kept(span)))
    monitored = min(_USUAL_MONITORED, max(1, span // 3))
    a_day = median(day.rows for day in days)
    in_window = max(1.0, a_day * monitored)
    noise = sqrt(max(categories - 1, 1) / 8 * 2 / in_window)
    few = _lack(used, holdout, window)
    return Windows(
        window=window,
        holdout=holdout,
        monitored=monitored,
        wasserstein=min(1.0, max(0.2, ceil(40 / sqrt(in_window)) / 10)),
        jensenshannon=min(0.9, max(0.2, ceil(20 * noise) / 10)),
        min_rows=max(1, int(in_window / 2)),
        reasons=(
            Reason(
                "training", f"{window}d, holdout {holdout}d", few or _enough(used, holdout, a_day, len(days))
            ),
            Reason(
                "monitoring",
                f"{monitored}d",
                f"about {in_window:,.0f} rows; limits of drift above what chance makes of so many",
            ),
        ),
    )


def _kept(span: int) -> int:
    return min(KEPT_DAYS, span // 5)


def _holdout(days: Sequence[Day], span: int) -> int:
    """Return the least number of days, at the end, with enough rows of both classes."""
    last, longest = days[-1].day, max(1, (span - _kept(span)) // 2)
    usual = min(_USUAL_HOLDOUT, max(1, (span - _kept(span)) // 4))
    for holdout in range(usual, longest):
        if _is_enough([day for day in days if day.day > last - timedelta(days=holdout)]):
            return holdout
    return longest


def _is_enough(days: Sequence[Day]) -> bool:
    labelled, positive = sum(day.labelled for day in days), sum(day.positive for day in days)
    return labelled >= _ENOUGH_ROWS and min(positive, labelled - positive) >= _ENOUGH_OF_A_CLASS


def _lack(days: Sequence[Day], holdout: int, window: int) -> str:
    """Return what keeps a model from being trained on these days, empty if nothing does."""
    last = days[-1].day
    held = [day for day in days if day.day > last - timedelta(days=holdout)]
    fitted = [
        day for day in days if last - timedelta(days=window) < day.day <= last - timedelta(days=holdout)
    ]
    for name, part in (("holdout", held), ("window before it", fitted)):
        labelled, positive = sum(day.labelled for day in part), sum(day.positive for day in part)
        if labelled < MIN_ROWS or not 0 < positive < labelled:
            return (
                f"TOO FEW ROWS: the {name} has {labelled:,} with a target, {positive:,} of them 1; a "
                f"training needs {MIN_ROWS} of both classes: give more days"
            )
    return ""


def _enough(days: Sequence[Day], holdout: int, a_day: float, count: int) -> str:
    last = days[-1].day
    held = sum(day.labelled for day in days if day.day > last - timedelta(days=holdout))
    return f"{a_day:,.0f} rows a day over {count:,} days; the holdout has {held:,} rows with a target"
