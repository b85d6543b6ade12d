"""`make bench WHAT=idle`: what the embedded stack costs while nobody asks anything of it.

Processor time of all its processes, in percent of one core. A stack of an earlier commit rests beside it, in
the same minutes and with the libraries of its own lock, so that a busy machine wrongs both alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table as Picture

from include.environment import RENAMED
from include.platform.embedded.stack import Stack
from include.settings import ROOT, Settings
from tests.support.stack import RunningStack, database_folder, settings_in

_BASELINE = "72e2d29"
"""The last commit whose scheduler and DAG processor never rested."""
_SETTLE_SECONDS = 90  # the first parsing, and its repetition, are over by then
_PARTS = {
    "scheduler": ("scheduler", "forkserver", "airflow worker"),
    "dag-processor": ("dag-processor", "dag_processor"),
    "triggerer": ("triggerer",),
    "mlflow": ("mlflow", "uvicorn"),
    "lake": ("lakefs",),
    "postgres": ("postgres",),
    "airflow": ("api_server", "api-server"),
}
_OTHER = "supervisor and helpers"
_EMBEDDED = Path("include/platform/embedded"), Path("include", "embedded")
"""The folder of the embedded stack, today and before 0.1.0, when variables had other names too."""
_console = Console(highlight=False)

Usage = dict[str, float]
"""Seconds, or percent of one core, by part."""


def main() -> None:
    """Measure, print, and write `var/bench/idle.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--settle", type=float, default=_SETTLE_SECONDS, help="seconds before that")
    parser.add_argument("--baseline", metavar="REV", default=_known(_BASELINE), help=f"({_BASELINE})")
    given = parser.parse_args()
    with ExitStack() as started:
        stacks = {"now": started.enter_context(_stack(ROOT))}
        if given.baseline:
            tree = started.enter_context(_checkout(given.baseline))
            stacks[given.baseline] = started.enter_context(_stack(tree))
        _console.print(f"{len(stacks)} stacks, resting for {given.settle + given.seconds:.0f} s")
        time.sleep(given.settle)
        usage = _measure(stacks, given.seconds)
    file = Settings().var / "bench" / "idle.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"seconds": given.seconds, "percent_of_a_core": usage}, indent=2) + "\n")
    _show(usage)
    _console.print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; written to {file}", soft_wrap=True
    )


def _known(revision: str) -> str:
    """Return the revision if this repository has it, else nothing."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    return "" if subprocess.run(command, capture_output=True, check=False).returncode else revision


@contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    """Check a revision out into a folder of its own; removed at the end."""
    with database_folder() as folder:
        tree = folder / "tree"
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            with _console.status(f"installing the libraries of {revision}"):
                make = ["make", "setup", f"PYTHON={sys.executable}"]
                subprocess.run(make, cwd=tree, check=True, stdout=subprocess.DEVNULL)
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


@contextmanager
def _stack(tree: Path) -> Iterator[RunningStack]:
    """Start the stack of a checkout by its own code, and stop it at the end, also when its start fails."""
    folder_of_stack = next(path for path in _EMBEDDED if (tree / path).is_dir())
    module, python = ".".join(folder_of_stack.parts), tree / ".venv" / "bin" / "python"
    with database_folder() as folder:
        settings = settings_in(folder / "var")
        pipelines = {"MILLRACE_PIPELINES": str(tree / "include" / "pipelines")}
        variables = os.environ | settings.variables() | pipelines
        if folder_of_stack != _EMBEDDED[0]:
            variables |= {old: variables[new] for old, new in RENAMED.items() if new in variables}

        def run(verb: str) -> None:
            subprocess.run([python, "-m", module, verb], cwd=tree, env=variables, check=True)

        try:
            run("up")
            yield RunningStack(Stack(settings))
        finally:
            run("down")


def _measure(stacks: dict[str, RunningStack], seconds: float) -> dict[str, Usage]:
    before = {name: _processor_seconds(running) for name, running in stacks.items()}
    started = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - started
    after = {name: _processor_seconds(running) for name, running in stacks.items()}
    return {
        name: {
            part: round(100 * (after[name][part] - before[name][part]) / passed, 2) for part in after[name]
        }
        for name in stacks
    }


def _processor_seconds(running: RunningStack) -> Usage:
    """Return the seconds that each part has used, those of its ended children among them."""
    found: Usage = dict.fromkeys((*_PARTS, _OTHER), 0.0)
    for process in running.processes():
        try:
            times, command = process.cpu_times(), " ".join(process.cmdline())
        except psutil.Error:
            continue  # its parent counts it
        found[_part(command)] += sum((times.user, times.system, times.children_user, times.children_system))
    return found


def _part(command: str) -> str:
    if "honcho" in command:  # the supervisor of earlier versions, whose command names all parts
        return _OTHER
    return next((part for part, words in _PARTS.items() if any(word in command for word in words)), _OTHER)


def _show(usage: dict[str, Usage]) -> None:
    picture = Picture("percent of one core", *usage)
    for part in (*_PARTS, _OTHER):
        picture.add_row(part, *(f"{found[part]:.2f}" for found in usage.values()))
    picture.add_section()
    picture.add_row("all", *(f"{sum(found.values()):.2f}" for found in usage.values()))
    _console.print(picture)


if __name__ == "__main__":
    main()
