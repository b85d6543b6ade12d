"""The days for which the files of a source have rows, found without loading them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from include.contract.data import Reader
from include.contract.day_path import any_day, day_in, days_of, is_dated
from include.contract.feed import Feed
from include.contract.pipeline import Pipeline
from include.contract.types import FIRST_DAY, LAST_DAY
from include.contract.windows import TrainingWindow
from include.exceptions import FileMissing
from include.ingestion.columns import TableColumns
from include.ingestion.files import find
from include.ingestion.hashing import Hasher
from include.ingestion.local_days import local_days
from include.ingestion.partitioner import rows_of
from include.ingestion.readers import DaysMissing, pinned, read


def source_days(feed: Feed, folder: Path) -> tuple[date, date] | None:
    """Return the first and the last day of the files of a feed's source; None for queries and functions.

    A file with the whole history is read once. Raises FileMissing if there is no file or no row, and what
    reading a source raises.
    """
    source = feed.source
    if source.reader in (Reader.SQL, Reader.PYTHON):
        return None
    is_by_path = is_dated(str(source.uri))
    found = _of_paths(str(source.uri), folder) if is_by_path else _of_rows(pinned(feed, folder), folder)
    if found is None:
        raise FileMissing(
            f"{source.uri!r} has no row with a day; provide rows, or correct {feed.at}source.uri"
        )
    return found


def latest_days(pipeline: Pipeline, folder: Path) -> tuple[date, date] | None:
    """Return the days of a training window that ends with the source's last day, as far as it has them."""
    found = source_days(pipeline.feed(), folder)
    if found is None:
        return None
    return max(found[0], TrainingWindow.until(found[1], pipeline.training).first), found[1]


def _of_rows(feed: Feed, folder: Path) -> tuple[date, date] | None:
    import pyarrow.compute as pc

    bounds: list[date] = []
    columns = TableColumns.of(feed, folder, hasher=Hasher.throwaway())
    for found in read(feed.source, FIRST_DAY, LAST_DAY, folder=folder, sql_url=None, columns=columns):
        if isinstance(found, DaysMissing):
            continue
        if (rows := rows_of(found, feed, columns)) is not None:
            days = pc.min_max(local_days(found._replace(batch=rows), feed.source)).as_py()
            bounds += [day for day in days.values() if day is not None]
    columns.refuse()
    return _span(bounds)


def _of_paths(uri: str, folder: Path) -> tuple[date, date] | None:
    paths = (file.path for file in find(any_day(uri), folder))
    days = [day for path in paths if (day := day_in(uri, path)) is not None]
    span = _span(end for day in days for end in days_of(uri, day))
    return None if span is None else (span[0], max(span[0], min(span[1], date.today())))


def _span(days: Iterable[date]) -> tuple[date, date] | None:
    known = sorted(days)
    return (known[0], known[-1]) if known else None
