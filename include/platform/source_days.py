"""The days for which the files of a source have rows, found without loading them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

from include.contract.data import Reader
from include.contract.day_path import days_of, is_dated
from include.contract.pipeline import Pipeline
from include.contract.types import FIRST_DAY, LAST_DAY
from include.contract.windows import TrainingWindow
from include.exceptions import FileMissing
from include.ingestion.arrow_types import plain
from include.ingestion.columns import TableColumns
from include.ingestion.files import find
from include.ingestion.local_days import local_days
from include.ingestion.readers import DaysMissing, read

_DT = re.compile(r"\{dt(?::([^{}]*))?\}")
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3}


def source_days(pipeline: Pipeline, folder: Path) -> tuple[date, date] | None:
    """Return the first and the last day of a source's files; None for queries and functions.

    A file with the whole history is read once. Raises FileMissing if there is no file or no row, and what
    reading a source raises.
    """
    source = pipeline.source
    if source.reader not in (Reader.CSV, Reader.PARQUET):
        return None
    found = _of_paths(str(source.uri), folder) if is_dated(str(source.uri)) else _of_rows(pipeline, folder)
    if found is None:
        raise FileMissing(f"{source.uri!r} has no row with a day; provide rows, or correct source.uri")
    return found


def latest_days(pipeline: Pipeline, folder: Path) -> tuple[date, date] | None:
    """Return the days of a training window that ends with the source's last day, as far as it has them."""
    found = source_days(pipeline, folder)
    if found is None:
        return None
    return max(found[0], TrainingWindow.until(found[1], pipeline.training).first), found[1]


def _of_rows(pipeline: Pipeline, folder: Path) -> tuple[date, date] | None:
    import pyarrow.compute as pc

    bounds: list[date] = []
    columns = TableColumns(pipeline)
    for found in read(pipeline.source, FIRST_DAY, LAST_DAY, folder=folder, sql_url=None, columns=columns):
        if isinstance(found, DaysMissing):
            continue
        rows = columns.apply(plain(found.batch, found.origin), found.origin, found.covers)
        if rows is not None and pipeline.source.partition_by in rows.schema.names:
            days = pc.min_max(local_days(found._replace(batch=rows), pipeline.source)).as_py()
            bounds += [day for day in days.values() if day is not None]
    columns.refuse()
    return _span(bounds)


def _of_paths(uri: str, folder: Path) -> tuple[date, date] | None:
    pattern = re.compile(_pattern(uri))
    found: list[date] = []
    for file in find(_DT.sub("*", uri), folder):
        if (match := pattern.search(file.path)) and (day := _day(match, uri)) is not None:
            found += days_of(uri, day)
    today = date.today()
    span = _span(found)
    return None if span is None else (span[0], max(span[0], min(span[1], today)))


def _span(days: Iterable[date]) -> tuple[date, date] | None:
    known = sorted(days)
    return (known[0], known[-1]) if known else None


def _pattern(uri: str) -> str:
    """Return a pattern for the paths of files, with a group for each part of a date."""
    path, parts = uri.partition("://")[2] or uri, []
    last = 0
    for match in _DT.finditer(path):
        parts += [_literal(path[last : match.start()]), _date(match[1])]
        last = match.end()
    return "".join([*parts, _literal(path[last:])])


def _literal(text: str) -> str:
    """Return a pattern for what stands around a date, whose letters may be written as `%20`."""
    from urllib.parse import unquote

    return "[^/]*".join(re.escape(unquote(part)) for part in text.split("*"))


def _date(form: str | None) -> str:
    form = "%Y-%m-%d" if form is None else form
    pieces = re.split(r"%([YymdjH])", form)
    return "".join(
        rf"(\d{{{_DIGITS[piece]}}})" if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    )


def _day(match: re.Match[str], uri: str) -> date | None:
    """Return the day that the groups of a path stand for; its first where it names a month or a year."""
    forms = "".join("%Y-%m-%d" if form[1] is None else form[1] for form in _DT.finditer(uri))
    letters = re.findall(r"%([Yymdj])", forms)
    given = dict(zip(letters, match.groups(), strict=True))
    if "m" not in given and "j" not in given:
        given["m"] = "01"
    if "d" not in given and "j" not in given:
        given["d"] = "01"
    try:
        return datetime.strptime(" ".join(given.values()), " ".join(f"%{one}" for one in given)).date()
    except ValueError:  # digits that are no date, such as a number in a name
        return None
