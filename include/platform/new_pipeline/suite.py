"""The first suite: rules with slack, so that rows like those of the sample pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10
from typing import Any

from include.platform.new_pipeline.columns import Column
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.roles import Roles
from include.platform.new_pipeline.windows import Day

MAX_COLUMNS = 100
"""Features that get rules of their own: Great Expectations takes its time for each."""
Entry = dict[str, Any]


def suite(
    roles: Roles, days: Sequence[Day], *, is_gapless: bool, has_whole_days: bool = True
) -> tuple[dict[str, list[Entry]], tuple[Reason, ...]]:
    """Return the two lists of a suite, and why they are so; without gaps, every day has to have rows.

    Without whole days the sample does not say how many.
    """
    least, most = _rows_a_day(days, is_gapless) if has_whole_days else (1, None)
    features = [one for one in roles.features if one.name != roles.time.name]
    ruled = features[:MAX_COLUMNS]
    rows = [
        _entry("expect_column_values_to_not_be_null", roles.time),
        _entry("expect_column_values_to_be_in_set", roles.target, value_set=[0, 1]),
        *(entry for column in ruled for entry in _rules(column)),
    ]
    bounds = {"column": "rows", "min_value": least, **({} if most is None else {"max_value": most})}
    partitions = [{"type": "expect_column_values_to_be_between", "kwargs": bounds}]
    counts = [day.rows for day in days]
    reasons = [
        Reason(
            "rows a day",
            f"{least:,} to {most:,}" if most is not None else f"{least:,} or more",
            f"the days of the sample have {min(counts):,} to {max(counts):,}"
            + (", and some have none" if least == 0 else ""),
        ),
        Reason(
            "suite",
            f"{len(rows):,} rules",
            "types are held by columns; ranges have slack of their width; categories only warn",
        ),
    ]
    if len(ruled) < len(features):
        left = len(features) - len(ruled)
        reasons.append(
            Reason("suite", f"{left:,} features without rules", f"the first {MAX_COLUMNS} have some")
        )
    return {"partitions": partitions, "rows": rows}, tuple(reasons)


def _entry(kind: str, column: Column, severity: str = "", **kwargs: Any) -> Entry:
    found: Entry = {"type": kind, "kwargs": {"column": column.name, **kwargs}}
    return {**found, "severity": severity} if severity else found


def _rows_a_day(days: Sequence[Day], is_gapless: bool) -> tuple[int, int]:
    """Return the bounds of a day's rows: half of the fewest, twice the most; 0 where days are missing."""
    inner = [day.rows for day in days[1:-1]] or [day.rows for day in days]
    least = min(inner) // 2 if is_gapless else 0
    return min(least, min(day.rows for day in days)), 2 * max(day.rows for day in days)


def _rules(column: Column) -> Iterator[Entry]:
    """Yield the rules of a feature."""
    if column.nulls == 0:
        yield _entry("expect_column_values_to_not_be_null", column)
    elif (share := _share_present(column)) > 0:
        yield _entry("expect_column_values_to_not_be_null", column, "warning", mostly=share)
    if column.bounds is not None:
        least, most = slack(*column.bounds)
        yield _entry("expect_column_values_to_be_between", column, min_value=least, max_value=most)
    if column.categories:
        values = list(column.categories)
        yield _entry("expect_column_values_to_be_in_set", column, "warning", value_set=values)


def _share_present(column: Column) -> float:
    """Return the share of rows that has to have a value: as in the sample, less a fifth."""
    return floor(80 * (column.rows - column.nulls) / column.rows) / 100


def slack(least: float, most: float) -> tuple[float, float]:
    """Return wider bounds, rounded outwards: by the width of the range; what is never negative stays so."""
    width = most - least or abs(most) or 1
    step = 10 ** (floor(log10(width)) - 1)
    low = floor((least - width) / step) * step
    high = ceil((most + width) / step) * step
    return _plain(0 if least >= 0 > low else low), _plain(0 if most <= 0 < high else high)


def _plain(number: float) -> float:
    """Return a number as a person would write it."""
    rounded = float(f"{number:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
