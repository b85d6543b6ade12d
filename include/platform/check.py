"""`make check PIPELINE=…`: a dry run of a pipeline, which finds what would stop it and writes nothing.

It reads the pipeline's files, then some days of its source, runs the suite on them, and fits, tries and
stores the model in a temporary folder, with the functions of the real steps. Neither lake nor MLflow is
needed.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape

from include.contract import code, loader
from include.contract.data import Reader
from include.contract.feed import Feed, Stage
from include.contract.pipeline import Pipeline
from include.contract.types import FIRST_DAY, LAST_DAY, check_day
from include.exceptions import BadData, MillraceError, Misconfigured, PipelineInvalid
from include.excerpt import nearest, quote
from include.exports.delta_types import check_names, delta_schema
from include.ingestion.columns import TableColumns
from include.ingestion.hashing import Hasher
from include.ingestion.keys import wide
from include.ingestion.partitioner import parts
from include.ingestion.readers import pinned
from include.ingestion.strays import Strays
from include.lake.frames import concat, to_frame
from include.modelling import estimator, features
from include.modelling.key_index import KeyIndex
from include.modelling.labels import LabelCounts, targets
from include.modelling.metrics import MIN_ROWS, has_enough_rows
from include.platform import cli
from include.platform.picture import picture
from include.platform.source_days import latest_days, source_days
from include.platform.source_urls import url_of
from include.settings import settings
from include.tracking.storage import save_estimator
from include.validation.implied import implied
from include.validation.report import Check
from include.validation.runner import validate

if TYPE_CHECKING:
    import pandas as pd

SqlUrl = Callable[[str], str]
Days = dict[date, "pd.DataFrame | None"]
"""The rows of each day; None for a day without any."""

_EXAMPLE_ROWS = 20


class Given(NamedTuple):
    """What the steps share: the folder, the URLs of connections, files that are broken, a key for hashes."""

    folder: Path
    sql_url: SqlUrl
    broken: frozenset[str]
    hasher: Hasher


class Finding(NamedTuple):
    """What one step has shown; `fault` is what would stop the pipeline, empty if nothing would."""

    step: str
    seen: str
    fault: str = ""


def check(
    folder: Path,
    first: date | None = None,
    last: date | None = None,
    *,
    sql_url: SqlUrl = url_of,
) -> Iterator[Finding]:
    """Yield what each step shows on the days from `first` to `last`; one alone sets both.

    Without any it is the training window up to the newest day of the source's files, and for queries and
    functions yesterday. `sql_url` returns the URL of an Airflow connection, for sources that are
    queries. Steps that depend on one that failed are left out. Raises Misconfigured for days in the wrong
    order.
    """
    if first and last and first > last:
        raise Misconfigured(f"--from {first} is after --to {last}; set the earlier day as --from")
    pipeline = loader.read(folder)
    if isinstance(pipeline, PipelineInvalid):
        yield from (Finding("contract", path, message) for path, message in pipeline.faults)
        return
    model = pipeline.model
    yield Finding("contract", f"{len(model.features.all)} features, target {quote(model.target)}")
    broken = {Path(error.file).name: error for error in loader.file_errors(folder, pipeline)}
    for name, error in broken.items():
        yield from (Finding(name, path, message) for path, message in error.faults)
    try:
        first, last = _span(pipeline, folder, first, last)
    except MillraceError as error:
        yield Finding("source", "not read", str(error))
        return
    given = Given(folder, sql_url, frozenset(broken), Hasher.throwaway())
    rows = TableColumns.of(pipeline.feed(), folder, hasher=given.hasher)
    days = yield from _of_feed(given, rows, first, last)
    if days and pipeline.exports.delta:
        yield from _export(rows)
    if days and pipeline.labels:
        days = yield from _labelled(given, pipeline, rows, days)
    if days and code.MODEL not in broken:
        yield from _model(pipeline, folder, days)


def _span(pipeline: Pipeline, folder: Path, first: date | None, last: date | None) -> tuple[date, date]:
    if first or last:
        return (first or last), (last or first)  # type: ignore[return-value]
    yesterday = datetime.now(ZoneInfo(pipeline.source.timezone)).date() - timedelta(days=1)
    return latest_days(pipeline, folder) or (yesterday, yesterday)


def _of_feed(given: Given, columns: TableColumns, first: date, last: date) -> Generator[Finding, None, Days]:
    """Yield what source and suite of a feed show, and return its days; none if they cannot be read."""
    feed = columns.feed
    step, strays = f"{feed.at}source", Strays(feed.source, feed.at)
    try:
        days = _read(given, columns, first, last, strays)
    except MillraceError as error:
        yield Finding(step, "not read", str(error))
        return {}
    yield _rows(days, step)
    if strays.late or strays.undated:
        yield Finding(step, f"left out: {strays.late} late, {strays.undated} undated row(s)")
    if feed.suite not in given.broken:
        yield from _suite(feed, given.folder, days)
    return days


def _export(columns: TableColumns) -> Iterator[Finding]:
    """Yield what keeps the columns of the rows from being exported, if anything does."""
    try:
        check_names(delta_schema(columns.schema, time=columns.feed.source.partition_by))
    except MillraceError as error:
        yield Finding("exports.delta", "not written", str(error))


def _labelled(
    given: Given, pipeline: Pipeline, rows: TableColumns, days: Days
) -> Generator[Finding, None, Days]:
    """Yield what the labels of some days show, and return the days with their targets; none without."""
    feed, kinds = pipeline.feed(Stage.LABELS), rows.schema
    types = {name: wide(kinds.field(name).type) for name in feed.keys if name in kinds.names}
    keys = {name: kind for name, kind in types.items() if name not in feed.columns}
    try:
        known = source_days(feed, given.folder)
    except MillraceError as error:
        yield Finding("labels.source", "not read", str(error))
        return {}
    yesterday = datetime.now(ZoneInfo(feed.source.timezone)).date() - timedelta(days=1)
    first, last = known or (min(days), yesterday)  # of a query or a function nobody knows
    first, last = max(min(days), first), max(max(days), last)
    columns = TableColumns.of(feed, given.folder, keys=keys, hasher=given.hasher)
    labels = yield from _of_feed(given, columns, first, last)
    if not labels or not any(frame is not None for frame in days.values()):
        return {}  # both are reported
    try:
        joined, counts = _joined(pipeline, feed, days, labels)
    except MillraceError as error:
        yield Finding("labels", "not joined", str(error))
        return {}
    met = f"{counts.matched:,} row(s) have a label, {counts.waiting:,} wait"
    fault = "" if counts.matched else "correct labels.keys, or choose more days"
    yield Finding("labels", f"{met}, {counts.orphan:,} label(s) have no row", fault)
    return joined


def _joined(pipeline: Pipeline, feed: Feed, days: Days, labels: Days) -> tuple[Days, LabelCounts]:
    import pyarrow as pa

    rows = {day: frame for day, frame in days.items() if frame is not None}
    for what, frames in ((pipeline.lake.table, rows.values()), (feed.table, labels.values())):
        for name in (*feed.keys, *([feed.target] if what == feed.table else [])):
            if any(frame is not None and name not in frame for frame in frames):
                raise BadData(
                    f"column {quote(str(name))} is missing for table {what!r}; correct labels.keys or "
                    "labels.target"
                )
    whole = concat(list(rows.values()))

    def table(frame: pd.DataFrame, *more: str) -> pa.Table:
        return pa.Table.from_pandas(frame[[*feed.keys, *more]], preserve_index=False)

    given = (table(frame, str(feed.target)) for frame in labels.values() if frame is not None)
    index = KeyIndex(table(whole), pipeline.lake.table, feed)
    found, counts = targets(index, given, feed, pipeline.model)
    return {max(rows): whole.assign(**{pipeline.model.target: found})}, counts


def _read(given: Given, columns: TableColumns, first: date, last: date, strays: Strays) -> Days:
    import pyarrow.parquet as pq

    feed, folder = columns.feed, given.folder
    source = feed.source
    url = given.sql_url(str(source.conn_id)) if source.reader is Reader.SQL else None
    at_version = pinned(feed, folder)
    found: dict[date, list[pd.DataFrame]] = {}
    with TemporaryDirectory(prefix="millrace-") as scratch:
        for part in parts(
            at_version,
            first,
            last,
            folder=folder,
            scratch=Path(scratch),
            sql_url=url,
            columns=columns,
            strays=strays,
        ):
            frames = found.setdefault(part.day, [])
            if part.file is not None:
                frames.append(to_frame(pq.read_table(part.file)))
                part.file.unlink()
    return {day: concat(frames) if frames else None for day, frames in found.items()}


def _rows(days: Days, step: str) -> Finding:
    if not days:
        return Finding(step, "nothing to read", "choose other days: source.skip_days has all of these")
    frames = [frame for frame in days.values() if frame is not None]
    first, last = min(days), max(days)
    if not frames:
        return Finding(
            step,
            f"no rows from {first} to {last}",
            "choose days that the source has, as in ARGS='--from 2024-03-01 --to 2024-03-31'",
        )
    rows, columns = sum(map(len, frames)), len(frames[-1].columns)
    return Finding(step, f"{rows:,} rows in {len(frames)} of {len(days)} day(s), {columns} columns")


def _suite(feed: Feed, folder: Path, days: Days) -> Iterator[Finding]:
    """Yield what the suite shows, and of labels what the contract implies: of rows the model shows that."""
    suite = folder / feed.suite if feed.suite else None
    checks = partial(implied, feed=feed) if feed.stage is Stage.LABELS else _no_checks
    name = suite.name if suite else f"{feed.stage.value}: implied checks"
    try:
        report = validate(suite, iter(days.items()), checks)
    except MillraceError as error:
        yield Finding(name, "not run", str(error))
        return
    failed = [one for one in report.checks if not one.passed]
    passed, total = len(report.checks) - len(failed), len(report.checks)
    yield Finding(name, f"{passed} of {total} expectations passed")
    for one in failed:
        remedy = "correct the source, or the rule" if one.severity == "critical" else ""
        yield Finding(name, one.sentence(), remedy)


def _no_checks(_: pd.DataFrame) -> list[Check]:
    return []


def _model(pipeline: Pipeline, folder: Path, days: Days) -> Iterator[Finding]:
    if not (frames := [frame for frame in days.values() if frame is not None]):
        return
    rows = concat(frames)
    if missing := list(_missing(pipeline, list(rows.columns))):
        yield from missing
        return
    try:
        yield from (
            Finding("model", f"{quote(name)} holds {count} whole numbers that are too long for float64")
            for name, count in features.rounded(rows, pipeline.model).items()
        )
        yield Finding("model", _fitted(pipeline, folder, rows))
    except MillraceError as error:
        yield Finding("model", "failed", str(error))


def _missing(pipeline: Pipeline, columns: list[str]) -> Iterator[Finding]:
    """Yield the columns that the contract names and the source lacks."""
    for column, key in pipeline.feed().required.items():
        if column not in columns:
            seen = f"the source has no column {quote(column)}"
            yield Finding("model", seen, f"{nearest(column, columns)}correct {key}, or the source")


def _fitted(pipeline: Pipeline, folder: Path, rows: pd.DataFrame) -> str:
    """Build, fit, try and store the model; return what it is."""
    model = pipeline.model
    built, trusted = estimator.build(folder, model), estimator.trusted_types(folder)
    labelled = features.labelled(rows, model)
    matrix, target = features.matrix(labelled, model), features.target(labelled, model)
    name = type(built).__name__
    if not has_enough_rows(target):
        few = f"{len(target)} rows with a target, and {MIN_ROWS} of both classes are needed"
        return f"{name}, not fitted: {few}; choose more days"
    features.require_values(matrix, model)
    started = time.monotonic()
    estimator.fit(built, matrix, target, folder)
    seconds, example = time.monotonic() - started, matrix.head(_EXAMPLE_ROWS)
    estimator.ask(built, example, folder)
    with TemporaryDirectory(prefix="millrace-") as scratch, estimator.storing_model(folder):
        save_estimator(built, scratch, example=example, trusted_types=trusted)
    return f"{name}, fitted on {len(matrix):,} rows in {seconds:.1f} s, tried and stored"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the pipeline of the command line, and print a table; return 1 if something would stop it."""
    parser = ArgumentParser(prog="make check PIPELINE=… ARGS=…", description=__doc__)
    parser.add_argument("pipeline", help="its name, that of its folder")
    parser.add_argument("--from", dest="first", type=day_of, metavar="DAY", help="first day to read")
    parser.add_argument(
        "--to",
        dest="last",
        type=day_of,
        metavar="DAY",
        help="last day; one of the two alone is that day; none: the newest days of files, else yesterday",
    )
    given = parser.parse_args(arguments)
    folder = folder_of(given.pipeline, settings().pipelines)
    console = Console(highlight=False)
    with console.status(f"checking {given.pipeline}"):
        findings = list(check(folder, given.first, given.last))
    table = picture("step", "seen", "what would stop it")
    for step, seen, fault in findings:
        table.add_row(step, escape(seen), f"[red]{escape(fault)}")
    console.print(table)
    faults = sum(bool(finding.fault) for finding in findings)
    console.print(f"{faults} fault(s)" if faults else "nothing would stop it")
    return int(faults > 0)


def folder_of(name: str, pipelines: Path) -> Path:
    """Return the folder of a pipeline that a command names; raises Misconfigured if there is none."""
    if name not in (known := loader.names(pipelines)):
        raise Misconfigured(
            f"there is no pipeline {quote(name)}: {nearest(name, known)}"
            f"PIPELINE is one of {', '.join(known) or 'none yet'}"
        )
    return pipelines / name


def day_of(text: str) -> date:
    """Return the day that an argument names; raises what argparse reports."""
    try:
        return check_day(date.fromisoformat(text))
    except ValueError:
        raise ArgumentTypeError(
            f"{quote(text)} is not a day from {FIRST_DAY} to {LAST_DAY}; write it as 2024-03-31"
        ) from None


if __name__ == "__main__":
    cli.run(main)
