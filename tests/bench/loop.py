"""`make bench`: one whole loop through Airflow, against the same work in a plain cold script.

A loop is: ingest a month, train, monitor its last day. Both sides use the same warm lake and
MLflow, of a stack of this benchmark's own, and the same library functions; the script pays for its
imports, as a cron job would. They take turns, each on a year that nobody has ingested (the flights of 2013
stand in for every year), so nothing is answered from an earlier turn. The gate and the policy of the
example are loosened, so that every turn walks the whole way and no turn starts another.

Medians over the turns; the first loop after the start is reported apart. A task's overhead is the time from
queued to finished less its body, which Airflow's own log of the task delimits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from statistics import mean, median

from rich.console import Console
from rich.table import Table as Picture

from include.platform.demo.airflow import Airflow
from include.platform.embedded.environment import environment
from include.platform.embedded.stack import Stack
from include.settings import ROOT, settings
from tests.support.lenient import PIPELINE, lenient_example
from tests.support.stack import RunningStack, database_folder, settings_in

_FIRST_YEAR = 1990
_console = Console(highlight=False)


@dataclass(frozen=True)
class Turn:
    """One loop through Airflow and one by the script, in seconds."""

    loop: float
    script: float
    overheads: list[float]


def main() -> None:
    """Measure, print, and write `var/bench/loop.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.loop", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    with database_folder() as folder:
        stack = Stack(settings_in(folder / "var", pipelines=lenient_example(folder)))
        try:
            with _console.status("starting a stack") as status:
                stack.up(status.update)
                turns = list(_turns(RunningStack(stack), repetitions + 1, status.update))
        finally:
            stack.down(lambda text: None)
    facts = _facts(turns)
    file = settings().var / "bench" / "loop.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")
    _show(turns, facts)
    _console.print(f"written to {file}", soft_wrap=True)


def _turns(running: RunningStack, number: int, say: object) -> Iterator[Turn]:
    for dag in ("ingest", "train", "monitor"):
        running.airflow.wait_for_dag(f"{PIPELINE}.{dag}")
    for turn in range(number):
        _console.print(f"turn {turn + 1} of {number}")
        year = _FIRST_YEAR + 4 * turn
        started = time.monotonic()
        runs = _loop(running.airflow, *_month(year))
        loop = time.monotonic() - started
        overheads = [seconds for run in runs for seconds in _overheads(running, *run)]
        started = time.monotonic()
        _script(running, *_month(year + 2))
        yield Turn(loop, time.monotonic() - started, overheads)


def _month(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year, 1, 31)


def _loop(airflow: Airflow, first: date, last: date) -> list[tuple[str, str]]:
    """Walk one loop through Airflow; the runs that it took."""
    runs = [
        (f"{PIPELINE}.ingest", f"bench__{first}", {"start": f"{first}", "end": f"{last}"}),
        (f"{PIPELINE}.train", f"bench__{last}", {"reason": "bench", "until": f"{last}"}),
        (f"{PIPELINE}.monitor", f"bench__{last}", {"end": f"{last}"}),
    ]
    for dag_id, run_id, conf in runs:
        airflow.run(dag_id, run_id, conf)
    return [(dag_id, run_id) for dag_id, run_id, _ in runs]


def _script(running: RunningStack, first: date, last: date) -> None:
    """Do the same work in a cold process."""
    settings = running.settings
    variables = environment(settings, running.secrets, "") | {
        "BENCH_LAKE": json.dumps(asdict(running.stack.connection())),
        "BENCH_MLFLOW": json.dumps(asdict(running.stack.tracking())),
    }
    subprocess.run(
        [sys.executable, "-m", "tests.bench.script", str(first), str(last)],
        cwd=ROOT,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
    )


def _overheads(running: RunningStack, dag_id: str, run_id: str) -> list[float]:
    """For each task that ran: seconds from queued to finished, less its body."""
    logs = running.settings.var / "log" / "tasks" / f"dag_id={dag_id}" / f"run_id={run_id}"
    found = []
    for task in running.airflow.tasks(dag_id, run_id):
        if task.state == "success" and task.queued and task.end:
            whole = (task.end - task.queued).total_seconds()
            found.append(whole - _body(logs / f"task_id={task.task_id}" / "attempt=1.log"))
    return found


def _body(log: Path) -> float:
    """Seconds that a task's `execute` took: from the end of what comes before it to what comes after."""
    events = [
        (line["event"], datetime.fromisoformat(line["timestamp"])) for line in map(json.loads, log.open())
    ]
    begin = next(at for event, at in events if event == "::endgroup::")
    end = next(at for event, at in events if event == "::group::Post Execute")
    return (end - begin).total_seconds()


def _facts(turns: list[Turn]) -> dict[str, float | int]:
    first, *warm = turns
    loop, script = median(turn.loop for turn in warm), median(turn.script for turn in warm)
    return {
        "loop_seconds": round(loop, 2),
        "script_seconds": round(script, 2),
        "ratio": round(loop / script, 3),
        "task_overhead_seconds": round(median(mean(turn.overheads) for turn in warm), 3),
        "tasks": len(warm[0].overheads),
        "repetitions": len(warm),
        "first_loop_seconds": round(first.loop, 2),
        "first_to_later": round(first.loop / loop, 2),
    }


def _show(turns: list[Turn], facts: dict[str, float | int]) -> None:
    picture = Picture("turn", "loop s", "script s", "ratio", "overhead of a task s")
    for number, turn in enumerate(turns):
        picture.add_row(
            "first" if number == 0 else f"{number}",
            f"{turn.loop:.2f}",
            f"{turn.script:.2f}",
            f"{turn.loop / turn.script:.2f}",
            f"{mean(turn.overheads):.3f}",
        )
    _console.print(picture)
    for name, value in facts.items():
        _console.print(f"{name:>24}  {value}")


if __name__ == "__main__":
    main()
