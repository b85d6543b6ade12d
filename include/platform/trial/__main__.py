"""`make try PIPELINE=…`: run a pipeline's whole loop in this process, on a scratch lake, without Airflow.

It ingests days, trains, lets the gate decide, monitors the last days, and prints a table. Nothing is kept,
and neither the lake nor the models of a platform are touched. The status is 0 if the loop closed, 1 if the
gate refused the model or data failed, 2 if the pipeline's files are wrong.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.contract.windows import TrainingWindow, labelled_until
from include.exceptions import MillraceError, Misconfigured
from include.platform.check import day_of, folder_of
from include.platform.source_days import source_days
from include.platform.trial.lab import lab
from include.platform.trial.loop import Loop, Say
from include.platform.trial.outcome import Outcome
from include.platform.trial.report import show
from include.settings import settings

CLOSED, FAILED, WRONG = 0, 1, 2
"""Statuses: the loop closed; the gate refused, or data failed; the pipeline's files are wrong."""
MONITORED_DAYS = 5


@dataclass(frozen=True)
class Plan:
    """The days of a trial: the first, the last to learn from, and the last to monitor."""

    first: date
    trained_until: date
    last: date

    @property
    def steps(self) -> int:
        """The number of steps, if no day is bad and nothing is trained twice."""
        return 4 + 1 + 2 * max(1, (self.last - self.trained_until).days)


def plan(pipeline: Pipeline, folder: Path, first: date | None, last: date | None) -> Plan:
    """Return the days of a trial between two days, each by default what the source's files have.

    For queries and functions the last day is yesterday. Raises Misconfigured for days in the wrong order.
    """
    has = None if first and last else source_days(pipeline.feed(), folder)
    yesterday = datetime.now(ZoneInfo(pipeline.source.timezone)).date() - timedelta(days=1)
    last = last or (has[1] if has else yesterday)
    span = (last - first).days + 1 if first else (last - has[0]).days + 1 if has else 10**6
    if span < 1:
        raise Misconfigured(f"--from {first} is after the last day {last}; choose days that the source has")
    trained_until = last - timedelta(days=min(MONITORED_DAYS, span // 5))
    known = labelled_until(trained_until, pipeline.monitoring.label_delay)
    window = TrainingWindow.until(known, pipeline.training)
    return Plan(first or max(window.first, has[0] if has else window.first), trained_until, last)


def attempt(folder: Path, first: date | None, last: date | None, console: Console) -> Outcome:
    """Run a pipeline's loop, and return what it has shown; raises PipelineInvalid for its files."""
    pipeline = loader.load(folder)
    for error in loader.file_errors(folder, pipeline):
        raise error
    days = plan(pipeline, folder, first, last)
    with (
        _progress(console, days.steps) as say,
        TemporaryDirectory(prefix="millrace-", ignore_cleanup_errors=True) as scratch,
    ):
        say("start")
        with lab(Path(scratch)) as place:
            return Loop(pipeline, folder, place, say).run(days.first, days.trained_until, days.last)


@contextmanager
def _progress(console: Console, steps: int) -> Iterator[Say]:
    """Yield a function that shows the step that begins: as a bar on a terminal, else as a line."""
    if not console.is_terminal:
        started = time.monotonic()
        yield lambda step: console.print(f"{time.monotonic() - started:5.1f} s  {step}")
        return
    columns = TextColumn("{task.description:40}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("start", total=steps)
        yield lambda step: progress.update(task, description=step, advance=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the pipeline of the command line, and print a table."""
    parser = ArgumentParser(prog="make try PIPELINE=… ARGS=…", description=__doc__)
    parser.add_argument("pipeline", help="its name, that of its folder")
    parser.add_argument("--from", dest="first", type=day_of, metavar="DAY", help="first day to ingest")
    parser.add_argument(
        "--to", dest="last", type=day_of, metavar="DAY", help=f"last of the {MONITORED_DAYS} days to monitor"
    )
    asked = parser.parse_args(arguments)
    console, started = Console(highlight=False), time.monotonic()
    try:
        folder = folder_of(asked.pipeline, settings().pipelines)
        outcome = attempt(folder, asked.first, asked.last, console)
    except Misconfigured as error:  # a contract that is not valid among them
        return _ended(error, WRONG)
    except MillraceError as error:
        return _ended(error, FAILED)
    show(outcome, console, time.monotonic() - started)
    return CLOSED if outcome.is_closed else FAILED


def _ended(error: MillraceError, status: int) -> int:
    print(error, file=sys.stderr)  # noqa: T201 - for the user of a command
    return status


if __name__ == "__main__":
    sys.exit(main())
