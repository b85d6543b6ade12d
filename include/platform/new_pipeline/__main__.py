"""`make new-pipeline NAME=… FROM=… TARGET=…`: write a working pipeline for data that is there.

It reads a sample of the data, chooses what the contract has to say, prints one line of reason for each
choice, and writes the folder `include/pipelines/<name>/` at once, or not at all.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape

from include.contract import loader
from include.contract.code import MODEL
from include.contract.data import Reader
from include.contract.loader import CONTRACT
from include.contract.text import as_name
from include.exceptions import Misconfigured, PipelineInvalid
from include.excerpt import quote
from include.platform import cli
from include.platform.check import day_of
from include.platform.new_pipeline import files
from include.platform.new_pipeline.begins import with_beginnings
from include.platform.new_pipeline.by_days import read_by_days
from include.platform.new_pipeline.names import tidy
from include.platform.new_pipeline.origin import Origin, locate
from include.platform.new_pipeline.places import Asked, in_words_of_the_command, place_of
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.roles import assign
from include.platform.new_pipeline.sample import Sample, read_sample
from include.platform.new_pipeline.suite import suite
from include.platform.new_pipeline.windows import choose, days_of, estimated
from include.settings import settings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FROM = (
    "a file, a folder, a pattern with * or {dt}, a URI, the folder of a Delta Lake table, sql:<connection>, "
    "or python:<module>:<function>"
)
_MAX_SHOWN = 40
"""Columns with a line of their own; more are counted."""


class Written(NamedTuple):
    """The folder of a new pipeline, and the reasons for what is in it."""

    folder: Path
    reasons: list[Reason]
    days: tuple[date, date] | None = None
    """Those of the sample, where a check does not find them by itself."""


def new_pipeline(
    name: str, given: str, target: str, time: str | None, *, pipelines: Path, asked: Asked | None = None
) -> Written:
    """Write the folder of a new pipeline below `pipelines`; raises Misconfigured or BadData, and writes none.

    `given` is where the data lies: a file, a folder, a pattern, a URI, the folder of a Delta Lake table,
    `sql:<connection>` or `python:<module>:<function>`.
    """
    folder = _free_folder(name, pipelines)
    asked = asked or Asked()
    with in_words_of_the_command(asked):
        origin, sample = _read(given, time, asked)
    sample = _tidied(sample)
    roles = assign(sample.columns, target=target, time=time)
    days = days_of(roles.time, roles.target)
    span = (days[-1].day - days[0].day).days + 1
    is_gapless = span == (len(origin.files) if origin.is_dated else len(days))
    categories = max((len(one.categories) for one in roles.categorical), default=0)
    windows = choose(estimated(days, sample, origin), categories)
    rules, of_rules = suite(roles, days, is_gapless=is_gapless, has_whole_days=sample.has_whole_days)
    schedule = _schedule(origin, days[-1].day)
    others = (schedule, *_OTHER_REASONS)
    reasons = [*origin.reasons, *sample.reasons, *roles.reasons, *windows.reasons, *of_rules, *others]
    texts = {
        CONTRACT: files.contract(name, origin, sample, roles, windows, is_daily=schedule.value == _DAILY),
        "expectations.yaml": files.expectations(rules),
        MODEL: files.MODEL,
        "README.md": files.readme(name, origin, sample, roles, reasons),
    }
    _write(folder, texts)
    is_unknown = origin.reader in (Reader.SQL, Reader.PYTHON)
    return Written(folder, reasons, (days[0].day, days[-1].day) if is_unknown else None)


def _read(given: str, time: str | None, asked: Asked) -> tuple[Origin, Sample]:
    """Return where the data lies, and a sample of it."""
    if (place := place_of(given, asked)) is not None:
        return read_by_days(place, time, asked)
    if asked.first or asked.last:
        raise Misconfigured(
            "FIRST and LAST are for tables, queries and functions; leave them out, as files are read whole"
        )
    origin = locate(given)
    return origin, with_beginnings(read_sample(origin, time), origin)


_DAILY = "@daily"
_FRESH = timedelta(days=7)
_OTHER_REASONS = (
    Reason("source.timezone", "UTC", "for times without an offset; set it if they are local times"),
    Reason("gate.minimum", "0.55", "roc_auc of chance is 0.5; raise it once you know what can be had"),
)
"""The reasons for what the data does not decide."""


def _schedule(origin: Origin, newest: date) -> Reason:
    if origin.is_dated:
        return Reason("schedule", _DAILY, "a path for each day, or month, of which more may come")
    if not origin.files and newest > datetime.now(UTC).date() - _FRESH:
        return Reason("schedule", _DAILY, f"the newest row is of {newest}, so more may come")
    return Reason("schedule", "null", "on demand, as nothing says that more rows come")


def _free_folder(name: str, pipelines: Path) -> Path:
    if not _NAME.fullmatch(name):
        raise Misconfigured(
            f"NAME={quote(name)} is not a name of a pipeline; use lower-case letters, digits and '_', "
            f"beginning with a letter, at most 63{as_name(name)}"
        )
    folder = pipelines / name
    if folder.exists() or folder.is_symlink():
        raise Misconfigured(
            f"{folder} exists, and nothing is overwritten; choose another NAME, or remove that folder"
        )
    return folder


def _tidied(sample: Sample) -> Sample:
    """Return a sample whose columns have names that the contract takes."""
    has_names = sample.dialect is None or sample.dialect.has_header
    names = tidy(column.name for column in sample.columns)
    columns = tuple(
        replace(column, name=name, given=column.name if has_names else "")
        for name, column in zip(names, sample.columns, strict=True)
    )
    renamed = [one for one in columns if one.given != one.name] if has_names else []
    reasons = tuple(
        Reason("renamed", one.name, f"{quote(one.given)} is not a name that MLflow and the contract take")
        for one in renamed
    )
    return replace(sample, columns=columns, reasons=(*sample.reasons, *reasons))


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write the files of a folder that appears whole; raises PipelineInvalid if its contract has a fault."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
            draft = Path(scratch) / folder.name
            draft.mkdir()
            for name, text in texts.items():
                (draft / name).write_text(text, encoding="utf-8")
            found = loader.read(draft)
            if isinstance(found, PipelineInvalid):
                raise PipelineInvalid(f"what would be written as {folder / CONTRACT}", found.faults)
            draft.rename(folder)
    except OSError as error:
        raise Misconfigured(
            f"{folder} cannot be written: {error.strerror}; let this user write there, or set "
            "MILLRACE_PIPELINES"
        ) from error


def show(written: Written, console: Console) -> None:
    """Print a line for each choice, and what to do next."""
    lines = _shortened(written.reasons)
    width = max(len(line.choice) for line in lines)
    for choice, value, why in lines:
        console.print(f"[bold]{choice:{width}}[/bold]  {escape(value)}  [dim]{escape(why)}", soft_wrap=True)
    name = written.folder.name
    days = " ARGS='--from {} --to {}'".format(*written.days) if written.days else ""
    console.print(
        f"\nwritten: {written.folder}\n"
        f"next:    make check PIPELINE={name}{days}   finds what would stop it\n"
        f"         make try PIPELINE={name}{days}     runs its whole loop, without Airflow",
        soft_wrap=True,
    )


def _shortened(reasons: Iterable[Reason]) -> list[Reason]:
    """Return the reasons, those of many columns counted by their role."""
    of_columns = {"numerical", "categorical", "left out", "renamed"}
    shown, counts = [], dict.fromkeys(of_columns, 0)
    for reason in reasons:
        if reason.choice in of_columns:
            counts[reason.choice] += 1
            if counts[reason.choice] > _MAX_SHOWN:
                continue
        shown.append(reason)
    more = [
        Reason(role, f"and {count - _MAX_SHOWN:,} more", "README.md of the folder has a line for each")
        for role, count in sorted(counts.items())
        if count > _MAX_SHOWN
    ]
    return [*shown, *more]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pipeline that the command line describes."""
    parser = ArgumentParser(prog="make new-pipeline", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="the pipeline's name, that of its folder")
    parser.add_argument("given", metavar="FROM", help=_FROM)
    parser.add_argument("target", metavar="TARGET", help="the column to predict: it holds 0 or 1")
    parser.add_argument("--time", metavar="TIME", help="the time column; left out: the only one there is")
    parser.add_argument("--query", default="", help="for sql: a query with :start and :end")
    parser.add_argument("--table", default="", help="for sql: a table, in place of a query")
    for name, which in (("--first", "first"), ("--last", "last")):
        parser.add_argument(
            name, type=_day, metavar="DAY", help=f"the {which} day to look at, of a table, query or function"
        )
    said = parser.parse_args(arguments)
    asked = Asked(query=said.query.strip(), table=said.table.strip(), first=said.first, last=said.last)
    console = Console(highlight=False)
    with console.status(f"reading {escape(said.given)}"):
        written = new_pipeline(
            said.name, said.given, said.target, said.time or None, pipelines=settings().pipelines, asked=asked
        )
    show(written, console)
    return 0


def _day(text: str) -> date | None:
    return day_of(text) if text.strip() else None


if __name__ == "__main__":
    cli.run(main)
