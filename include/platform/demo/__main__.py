"""`make demo`: run the closed loop on real flights of 2013, and exit with 0 only if the loop closed."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import date

from rich.console import Console
from rich.markup import escape

from include.contract import loader
from include.exceptions import MillraceError
from include.lake.client import Lake
from include.lake.table import Table
from include.platform.demo.airflow import Airflow
from include.platform.demo.report import Facts
from include.platform.demo.story import FIRST_DAY, LAST_DAY, PIPELINE, QUARTER, DailyResult, Retrain, Story
from include.platform.embedded import stack_secrets
from include.platform.embedded.environment import urls
from include.platform.embedded.stack import Stack
from include.settings import Settings, settings

_console = Console(highlight=False)


def play(deployment: Settings, first_day: date) -> Facts:
    """Start the stack if necessary, replay the days from `first_day` on, and return the facts."""
    started, stack, where = time.monotonic(), Stack(deployment), urls(deployment)
    with _console.status("starting") as status:

        def say(text: str) -> None:
            _console.print(f"[dim]{time.monotonic() - started:5.0f} s[/dim]  {text}")
            status.update(text)

        stack.up(say)
        airflow = Airflow(
            where["airflow"], stack_secrets.USER, stack_secrets.ensure(deployment.var).airflow_password
        )
        story = Story(airflow, stack.tracking().log_in(), say, first_day)
        story.begin()
        days, retrains = _replay(story)
        last = story.end(days[-1].date)
        say("counting rows, in the source and in the lake")
        pipeline = loader.load(deployment.pipelines / PIPELINE)
        table = Table(Lake(stack.connection(), pipeline.lake.repository), pipeline.lake.table)
        commit = table.lake.resolve(pipeline.lake.branch)
        stored = table.partitions(commit, QUARTER[0], last, [pipeline.model.time])
        in_lake = [rows.num_rows for _, rows in stored]
        in_source = _count(last)
    return Facts(
        pipeline=PIPELINE,
        partitions=len(in_lake),
        rows_source=in_source,
        rows_lake=sum(in_lake),
        commit=commit,
        days=days,
        retrains=retrains,
        wall_seconds=time.monotonic() - started,
        links={"Airflow": where["airflow"], "MLflow": where["mlflow"], **story.links(days, retrains)},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, print its facts and write them to `summary.json`."""
    first_day = _first_day(arguments)
    try:
        facts = play(settings(), first_day)
    except MillraceError as error:
        Console(stderr=True, highlight=False).print(f"[red]error[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    file = settings().var / "demo" / "summary.json"
    facts.write(file)
    facts.show(_console)
    _console.print(
        f"\nThe same facts as JSON: {file}\nThe stack is still running; stop it with: make down",
        soft_wrap=True,
    )
    if not facts.closed:
        Console(stderr=True).print("[red]The loop did not close: see the table.[/red]")
    return int(not facts.closed)


def _first_day(arguments: Sequence[str] | None) -> date:
    parser = ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument(
        "--from",
        type=_day,
        default=FIRST_DAY,
        dest="first_day",
        metavar="DATE",
        help="first day to monitor; earlier days are ingested in one run (default: %(default)s)",
    )
    first_day: date = parser.parse_args(arguments).first_day
    return first_day


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date; write it as {FIRST_DAY}") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ArgumentTypeError(f"{text!r} is not a day of the demo; allowed are {FIRST_DAY} to {LAST_DAY}")
    return day


def _replay(story: Story) -> tuple[list[DailyResult], list[Retrain]]:
    """Replay days until a retrain has promoted a new champion."""
    days: list[DailyResult] = []
    retrains: list[Retrain] = []
    for day in story.days():
        days.append(day)
        if day.policy == "retrain":
            retrains.append(story.retrain(day))
            if retrains[-1].after:
                break
    return days, retrains


def _count(last: date) -> int:
    """Count the flights up to `last` in the data set's own file, without Millrace's reader."""
    import pandas as pd

    from include.pipelines.flights.source import data_folder

    flights = pd.read_csv(data_folder() / "flights.csv.zip", usecols=["year", "month", "day"])
    days = flights["year"] * 10_000 + flights["month"] * 100 + flights["day"]
    begin, end = (int(f"{day:%Y%m%d}") for day in (QUARTER[0], last))
    return int(days.between(begin, end).sum())


if __name__ == "__main__":
    sys.exit(main())
