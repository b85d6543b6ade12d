"""`make demo`: the closed loop on real flights of 2013, watched live; 0 only if the loop closed."""

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
from include.platform.demo.story import FIRST_NIGHT, LAST_NIGHT, PIPELINE, QUARTER, Night, Retrain, Story
from include.platform.embedded import secrets
from include.platform.embedded.environment import urls
from include.platform.embedded.stack import Stack
from include.settings import Settings, settings
from include.tracking.server import TrackingServer

_console = Console(highlight=False)


def play(deployment: Settings, first_night: date) -> Facts:
    """Start the stack if needed, tell the story from a night on, and gather its facts."""
    started, stack, where = time.monotonic(), Stack(deployment), urls(deployment)
    with _console.status("starting") as status:

        def say(text: str) -> None:
            _console.print(f"[dim]{time.monotonic() - started:5.0f} s[/dim]  {text}")
            status.update(text)

        stack.up(say)
        airflow = Airflow(where["airflow"], secrets.USER, secrets.ensure(deployment.var).airflow_password)
        story = Story(airflow, TrackingServer(uri=where["mlflow"]), say, first_night)
        story.begin()
        nights, retrains = _replay(story)
        last = story.end(nights[-1].date)
        say("counting rows, in the source and in the lake")
        spec = loader.load(deployment.pipelines / PIPELINE)
        table = Table(Lake(stack.connection(), spec.lake.repository), spec.lake.table)
        commit = table.lake.resolve(spec.lake.branch)
        stored = table.partitions(commit, QUARTER[0], last, [spec.model.time])
        in_lake = [rows.num_rows for _, rows in stored]
        in_source = _count(last)
    return Facts(
        pipeline=PIPELINE,
        partitions=len(in_lake),
        rows_source=in_source,
        rows_lake=sum(in_lake),
        commit=commit,
        nights=nights,
        retrains=retrains,
        wall_seconds=time.monotonic() - started,
        links={"Airflow": where["airflow"], "MLflow": where["mlflow"], **story.links(nights, retrains)},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, show and keep the facts."""
    first_night = _first_night(arguments)
    try:
        facts = play(settings(), first_night)
    except MillraceError as error:
        Console(stderr=True, highlight=False).print(f"[red]error[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    file = settings().var / "demo" / "summary.json"
    facts.write(file)
    facts.show(_console)
    _console.print(
        f"\nThe same facts: {file}\nThe stack is still running; stop it with: make down", soft_wrap=True
    )
    if not facts.closed:
        Console(stderr=True).print("[red]The loop did not close: see the table.[/red]")
    return int(not facts.closed)


def _first_night(arguments: Sequence[str] | None) -> date:
    parser = ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument(
        "--from",
        type=_night,
        default=FIRST_NIGHT,
        dest="first_night",
        metavar="DATE",
        help="replay nights from this one on; the days before it are ingested at once (default: %(default)s)",
    )
    asked: date = parser.parse_args(arguments).first_night
    return asked


def _night(text: str) -> date:
    try:
        night = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date; write it as {FIRST_NIGHT}") from error
    if not FIRST_NIGHT <= night <= LAST_NIGHT:
        raise ArgumentTypeError(
            f"{text!r} is no night of the demo; give one of {FIRST_NIGHT} to {LAST_NIGHT}"
        )
    return night


def _replay(story: Story) -> tuple[list[Night], list[Retrain]]:
    """Nights until a retrain has brought a new champion."""
    nights: list[Night] = []
    retrains: list[Retrain] = []
    for night in story.nights():
        nights.append(night)
        if night.policy == "fired":
            retrains.append(story.retrain(night))
            if retrains[-1].after:
                break
    return nights, retrains


def _count(last: date) -> int:
    """The flights from the first day to `last`, counted in the package's own file, not by our reader."""
    import pandas as pd

    from include.pipelines.flights.source import data_folder

    flights = pd.read_csv(data_folder() / "flights.csv.zip", usecols=["year", "month", "day"])
    days = flights["year"] * 10_000 + flights["month"] * 100 + flights["day"]
    begin, end = (int(f"{day:%Y%m%d}") for day in (QUARTER[0], last))
    return int(days.between(begin, end).sum())


if __name__ == "__main__":
    sys.exit(main())
