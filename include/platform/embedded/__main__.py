"""`python -m include.platform.embedded up|down|…`: what the Makefile's targets call."""

from __future__ import annotations

import os
import shutil
import sys
import time
from argparse import REMAINDER, ArgumentParser
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from include.exceptions import Absent, MillraceError
from include.platform.embedded import airflow_host, processes
from include.platform.embedded.doctor import examine
from include.platform.embedded.stack import POSTGRES, Stack
from include.platform.embedded.status import size_on_disk, statuses
from include.platform.picture import picture
from include.settings import ROOT, settings

_console = Console(highlight=False)
_MIB = 2**20


def up(stack: Stack) -> int:
    """Start the stack and print its addresses."""
    started = time.monotonic()
    with _console.status("starting") as status:

        def say(text: str) -> None:
            _say(text)
            status.update(escape(text))

        stack.up(say)
    _say(f"all services healthy after {time.monotonic() - started:.1f} s")
    for name, value in stack.summary():
        _console.print(f"{name:>10}  {value}", soft_wrap=True)
    return 0


def down(stack: Stack) -> int:
    """Stop the stack."""
    stack.down(_say)
    return 0


def wipe(stack: Stack) -> int:
    """Stop the stack and remove its data."""
    stack.wipe(_say)
    return 0


def status(stack: Stack) -> int:
    """Print the state of each part, and the memory and disk of all; return 1 unless all are healthy.

    Raises Misconfigured if another version started the stack, or if it was started with other settings.
    """
    table = picture("part", "state", "since", "deaths", "last", "MiB")
    rows = statuses(stack)
    for row in rows:
        table.add_row(
            row.part,
            f"[{'green' if row.is_healthy else 'red'}]{escape(row.state)}",
            _time(row.since),
            str(row.deaths or ""),
            _time(row.last_death),
            f"{row.memory / _MIB:,.0f}" if row.memory else "",
        )
    _console.print(table)
    members = stack.members()
    _console.print(f"{len(members)} processes, {processes.memory(members) / _MIB:,.0f} MiB (PSS)")
    if stack.settings.var.exists():
        free = shutil.disk_usage(stack.settings.var).free
        used = size_on_disk(stack.settings.var)
        _console.print(f"{used / _MIB:,.0f} MiB on the disk, {free / _MIB:,.0f} MiB free")
    for row in rows:
        if not row.is_healthy and row.log.exists():
            _console.print(f"[dim]why:[/dim] {row.log}", soft_wrap=True)
    stack.check_started_so()
    return int(not all(row.is_healthy for row in rows))


def doctor(stack: Stack) -> int:
    """Print what keeps the stack from running, and what to do; return 1 if there is something."""
    table = picture("subject", "found", "what to do")
    healthy = True
    for finding in examine(stack):
        healthy = healthy and not finding.remedy
        color = "red" if finding.remedy else "green"
        table.add_row(finding.subject, f"[{color}]{escape(finding.found)}", escape(finding.remedy))
    _console.print(table)
    return int(not healthy)


def airflow(stack: Stack, *words: str) -> int:
    """Run Airflow's CLI on the stack."""
    airflow_host.check(words)
    variables = stack.variables()
    os.chdir(ROOT)
    os.execvpe("airflow", ["airflow", *words], variables)  # noqa: S606, S607 - first on the path is our own


def logs(stack: Stack) -> int:
    """Follow the logs of all parts, the supervisor and the keeper."""
    files = [
        str(file) for file in (stack.log_of(POSTGRES), *sorted(stack.logs.glob("*.log"))) if file.exists()
    ]
    if not files:
        raise Absent(f"there are no logs in {stack.logs}; run `make up`")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606, S607 - the user's own tail


def _time(moment: float) -> str:
    """Return a time of today as hours, minutes and seconds, another with its date, and 0 as nothing."""
    if not moment:
        return ""
    then = datetime.fromtimestamp(moment).astimezone()
    is_today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")


def _say(text: str) -> None:
    _console.print(f"[dim]·[/dim] {escape(text)}", soft_wrap=True)


def main() -> int:
    """Run the verb of the command line."""
    verbs = {verb.__name__: verb for verb in (up, down, status, doctor, logs, wipe)}
    parser = ArgumentParser(prog="python -m include.platform.embedded", description=__doc__)
    parser.add_argument("verb", choices=sorted([*verbs, airflow.__name__]))
    parser.add_argument("words", nargs=REMAINDER, help="what Airflow's CLI is given")
    given = parser.parse_args()
    if given.words and given.verb != airflow.__name__:
        parser.error(f"{given.verb} takes no {' '.join(given.words)!r}")
    try:
        stack = Stack(settings())
        return airflow(stack, *given.words) if given.verb == airflow.__name__ else verbs[given.verb](stack)
    except MillraceError as error:
        Console(stderr=True, highlight=False).print(f"[red]error[/red] {escape(str(error))}", soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
