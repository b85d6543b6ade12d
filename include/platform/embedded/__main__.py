"""`python -m include.platform.embedded up|down|status|logs|wipe`: what the Makefile's targets call."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from include.exceptions import MillraceError
from include.platform.embedded import processes
from include.platform.embedded.stack import HEALTHY, Stack
from include.settings import settings

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
    """Print the state of each part and the memory of all; return 1 unless all are healthy."""
    health = stack.health()
    table = Table("part", "state")
    for part in stack.parts:
        table.add_row(part, f"[{'green' if health[part] == HEALTHY else 'red'}]{health[part]}")
    _console.print(table)
    members = stack.members()
    _console.print(f"{len(members)} processes, {processes.memory(members) / _MIB:,.0f} MiB (PSS)")
    return int(set(health.values()) != {HEALTHY})


def logs(stack: Stack) -> int:
    """Follow the output of all parts."""
    os.execvp("tail", ["tail", "-n", "100", "-F", str(stack.log)])  # noqa: S606, S607 - the user's own tail


def _say(text: str) -> None:
    _console.print(f"[dim]·[/dim] {escape(text)}", soft_wrap=True)


def main() -> int:
    """Run the verb of the command line."""
    verbs = {verb.__name__: verb for verb in (up, down, status, logs, wipe)}
    parser = ArgumentParser(prog="python -m include.platform.embedded", description=__doc__)
    parser.add_argument("verb", choices=sorted(verbs))
    try:
        return verbs[parser.parse_args().verb](Stack(settings()))
    except MillraceError as error:
        Console(stderr=True, highlight=False).print(f"[red]error[/red] {escape(str(error))}", soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
