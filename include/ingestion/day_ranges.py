"""Days in one short text, for metadata and results: `2024-03-02, 2024-03-05_2024-03-09`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

_DAY = timedelta(days=1)
_BETWEEN, _RANGE = ", ", "_"


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield the days from the first to the last, both included."""
    while first <= last:
        yield first
        first += _DAY


def written(days: Iterable[date]) -> str:
    """Return days, whatever their order, as one text in which days that follow each other are a range."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and ranges[-1][1] + _DAY == day:
            ranges[-1] = ranges[-1][0], day
        else:
            ranges.append((day, day))
    return _BETWEEN.join(f"{a}" if a == b else f"{a}{_RANGE}{b}" for a, b in ranges)


def parse(text: str) -> tuple[date, ...]:
    """Return the days of a text of `written`, in order; raises ValueError for any other text."""
    bounds = [part.split(_RANGE) for part in text.split(_BETWEEN)] if text else []
    return tuple(
        day
        for part in bounds
        for day in days_between(date.fromisoformat(part[0]), date.fromisoformat(part[-1]))
    )
