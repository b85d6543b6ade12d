"""The columns that files of days have only from some day on, which `columns.<name>.since` declares."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from functools import cache

from include.contract.data import Reader, Source
from include.contract.day_path import day_in
from include.exceptions import BadData
from include.ingestion.files import SourceFile, opened
from include.ingestion.readers import read_files
from include.platform.new_pipeline.origin import Origin
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.sample import Sample, header_of
from include.platform.new_pipeline.sniff import Dialect


def with_beginnings(sample: Sample, origin: Origin) -> Sample:
    """Return a sample whose columns know the first day that has them, where the earliest files lack them."""
    if not origin.is_dated:
        return sample
    found = _begins(origin, sample.dialect, [column.name for column in sample.columns if column.nulls])
    columns = tuple(replace(column, since=found.get(column.name)) for column in sample.columns)
    reasons = tuple(
        Reason("since", name, f"{day} is the first day that has it") for name, day in found.items()
    )
    return replace(sample, columns=columns, reasons=(*sample.reasons, *reasons))


def _begins(origin: Origin, dialect: Dialect | None, names: Iterable[str]) -> dict[str, date]:
    """Return the first days, found by halving: a year of files takes nine looks at a column."""
    files: dict[date, list[SourceFile]] = defaultdict(list)
    for file in origin.files:
        if (day := day_in(origin.uri, file.path)) is not None:
            files[day].append(file)
    days = sorted(files)
    names_of = cache(lambda day: _names(origin, dialect, files[day]))

    def has(name: str) -> Callable[[date], bool]:
        return lambda day: name in names_of(day)

    return {
        name: days[bisect_left(days, True, key=has(name))]
        for name in names
        if days and not has(name)(days[0]) and has(name)(days[-1])
    }


def _names(origin: Origin, dialect: Dialect | None, files: list[SourceFile]) -> frozenset[str]:
    """Return the names of the columns of a day's files; none where these are empty."""
    if dialect is not None:
        return frozenset(name for file in files for name in header_of(file, dialect))
    if origin.reader is Reader.PARQUET:
        return frozenset(name for file in files for name in _names_of_parquet(file))
    source = Source(reader=origin.reader, uri=origin.uri, partition_by="-")
    try:
        return frozenset(name for _, rows in read_files(source, files) for name in rows.schema.names)
    except BadData:  # a day without rows, which the sample has not looked into
        return frozenset()


def _names_of_parquet(file: SourceFile) -> list[str]:
    import pyarrow.parquet as pq

    with opened(file) as content:
        return list(pq.read_schema(content).names)
