"""`make test WHAT=chaos`: harm every part, and tasks, at every step of the loop, and count what survives.

Each pair of a victim and a step is one harm while the step runs. Nobody helps: the stack has to be healthy
again by itself, the run has to end by itself, and then nothing may be lost or doubled. The kinds of harm:

- `kill`: SIGKILL;
- `hang`: two minutes of SIGSTOP;
- `full`: a minute without a free byte on the disk, whatever the victim. A run that has used up its tries
  meanwhile is continued afterwards. Needs root on Linux, for a small disk of its own.

`ARGS="--harm hang --number 20"` takes a sample, `--minutes 60` what there is time for. The order is the same
for the same `--seed`.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from math import inf
from pathlib import Path
from statistics import median
from typing import TypeVar

import psutil
from airflow_client.client.exceptions import OpenApiException
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Picture
from urllib3.exceptions import HTTPError

from include.contract.reserved import predictions_table
from include.exceptions import MillraceError
from include.lake.table import Table
from include.platform.demo.airflow import RunFailed
from include.platform.embedded.stack import PARTS, Stack
from include.tracking.names import experiments, monitoring_runs
from include.tracking.registry import Alias, Registry
from include.tracking.server import TrackingServer
from include.tracking.tags import Tag
from tests.chaos.victims import VICTIMS
from tests.support.lenient import PIPELINE, lenient_example
from tests.support.stack import RunningStack, changed, database_folder, settings_in

INGEST, TRAIN, MONITOR = (f"{PIPELINE}.{stage}" for stage in ("ingest", "train", "monitor"))
STEPS = {
    INGEST: ("open_branch", "load", "validate", "publish"),
    TRAIN: ("pin", "train", "evaluate", "gate", "register", "promote"),
    MONITOR: ("wait_for_data", "champion", "score", "measure", "drift"),
}
_HEALTHY = dict.fromkeys(PARTS, "healthy")
_JANUARY = date(2013, 1, 1), date(2013, 1, 31)
_WITHIN_SECONDS = 300.0
"""In which the stack has to be healthy again, and a step has to be reached."""
_AIM_SECONDS = 30.0
"""In which a stack on a quiet machine is healthy again; those that took longer are counted apart."""
_HANG_SECONDS = 120.0
_FULL_SECONDS = 60.0
_DISK_MIB = 1024
_console = Console(highlight=False)
_T = TypeVar("_T")


class Harm(StrEnum):
    """What is done to a victim."""

    KILL = "kill"
    HANG = "hang"
    FULL = "full"


@dataclass(frozen=True)
class Harmed:
    """A victim harmed at a step; `seconds` until the stack was healthy, None if it was not in time."""

    victim: str
    step: str
    seconds: float | None


@dataclass
class Chaos:
    """Runs of the loop, in each of which parts are harmed."""

    running: RunningStack
    harm: Harm
    harmed: list[Harmed] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    day: date = _JANUARY[1]
    monitored: list[date] = field(default_factory=list)

    def prepare(self) -> None:
        """Ingest a month, and train the first champion, in peace."""
        for dag_id in STEPS:
            self.running.airflow.wait_for_dag(dag_id)
        first, last = (day.isoformat() for day in _JANUARY)
        self.running.airflow.run(INGEST, "chaos-first", {"start": first, "end": last})
        self.running.airflow.run(TRAIN, "chaos-first", {"reason": "chaos", "until": last})

    def run(self, dag_id: str, victims: dict[str, str]) -> None:
        """Start a run, harm the victim of each step while the step runs, and check what came of it."""
        self.runs[dag_id] += 1
        run_id = f"chaos-{self.runs[dag_id]}"
        if dag_id == INGEST:
            self.day += timedelta(days=1)
        if dag_id == MONITOR:
            self.monitored.append(self.day)
        day = {"end": self.day.isoformat()}
        conf = {"reason": "chaos", "until": _JANUARY[1].isoformat()} if dag_id == TRAIN else day
        self.running.airflow.start(dag_id, run_id, conf)
        for step in STEPS[dag_id]:
            if step in victims and self._reach(dag_id, run_id, step):
                self._do_harm(victims[step], step)
        state = self._end_of(dag_id, run_id)
        if self.harm is Harm.FULL and state == "failed":
            self.running.airflow.start(dag_id, run_id, conf)  # clears what has failed
            state = self._end_of(dag_id, run_id)
        if state != "success":
            self.faults.append(f"{dag_id} {run_id} ended as {state}")
        self.faults += [f"after {dag_id} {run_id}: {fault}" for fault in self._patiently(self._invariants)]

    def _end_of(self, dag_id: str, run_id: str) -> str:
        """Wait until a run ends, and return how; name the tasks that keep it if it does not."""
        try:
            return self._patiently(lambda: self.running.airflow.wait(dag_id, run_id))
        except RunFailed as error:
            tasks = self._patiently(lambda: self.running.airflow.tasks(dag_id, run_id))
            states = ", ".join(f"{task.task_id} {task.state}" for task in tasks)
            return f"{error} ({states})"

    def _reach(self, dag_id: str, run_id: str, step: str) -> bool:
        """Wait until a step runs; return False if it has ended before that was seen."""

        def state() -> str:
            tasks = self.running.airflow.tasks(dag_id, run_id)
            return next(task.state for task in tasks if task.task_id == step)

        deadline = time.monotonic() + _WITHIN_SECONDS
        while time.monotonic() < deadline:
            found = self._patiently(state)
            if found == "running":
                return True
            if found in ("success", "failed", "skipped", "upstream_failed"):
                return True  # a short step: the kill comes right after it
            time.sleep(0.02)
        self.faults.append(f"{step} of {dag_id} {run_id} was not reached")
        return False

    def _do_harm(self, victim: str, step: str) -> None:
        if self.harm is Harm.FULL:
            _fill(self.running.settings.var.parent, _FULL_SECONDS)
        elif self.harm is Harm.HANG:
            _suspend(VICTIMS[victim](self.running), _HANG_SECONDS)
        else:
            _kill(VICTIMS[victim](self.running))
        started, seconds = time.monotonic(), None
        time.sleep(1)  # a part that has just died may still be taken for healthy
        while seconds is None and time.monotonic() - started < _WITHIN_SECONDS:
            if self.running.stack.health() == _HEALTHY:
                seconds = time.monotonic() - started
            time.sleep(0.2)
        self.harmed.append(Harmed(victim, step, seconds))
        if seconds is None:
            self.faults.append(f"{victim}, harmed at {step}: {self.running.stack.health()}")

    def _invariants(self) -> list[str]:
        """Return what was lost, doubled, or left behind."""
        lake = self.running.lake(PIPELINE)
        parts = Table(lake, "departures").parts("main", _JANUARY[0], self.day)
        server = self.running.tracking()
        registry, found = Registry(server), []
        expected = (self.day - _JANUARY[0]).days + 1
        if {len(files) for files in parts.values()} != {1} or len(parts) != expected:
            found.append(f"{len(parts)} of {expected} days, files {sorted(map(len, parts.values()))[-3:]}")
        published = [
            commit.metadata["run_id"]
            for commit in lake.log("main")
            if commit.metadata.get("dag_id") == INGEST and len(commit.parents) == 2
        ]
        if len(published) != self.runs[INGEST] + 1 or len(set(published)) != len(published):
            found.append(f"{len(published)} publications of {self.runs[INGEST] + 1} runs")
        for prefix in ("ingest-", "score-"):
            if left := list(lake.list_branches(prefix)):
                found.append(f"branches {left} are left")
        versions = len(server.client.search_model_versions(f"name = '{PIPELINE}'"))
        if registry.version_of(PIPELINE, Alias.CHAMPION) is None or versions > self.runs[TRAIN] + 1:
            found.append(f"{versions} versions of {self.runs[TRAIN] + 1} trainings")
        found += self._lost_nights(server)
        running = [run.info.run_id for one in experiments(server, PIPELINE) for run in one.running()]
        if running:
            found.append(f"MLflow runs {running} are RUNNING")
        return found

    def _lost_nights(self, server: TrackingServer) -> list[str]:
        """Return which monitored days have no finished run, or several, or no predictions in the lake."""
        found = []
        scored = Table(self.running.lake(PIPELINE), predictions_table(PIPELINE)).days("main")
        for day in self.monitored:
            tags = {Tag.AS_OF: day.isoformat()}
            runs = list(monitoring_runs(server, PIPELINE).iter_runs(tags)) if day in scored else []
            if len(runs) != 1:
                found.append(f"{len(runs)} monitoring runs with predictions of {day}")
        return found

    def _patiently(self, call: Callable[[], _T]) -> _T:
        """Call again while services are away."""
        deadline = time.monotonic() + _WITHIN_SECONDS
        while True:
            try:
                return call()
            except (MillraceError, OSError, OpenApiException, HTTPError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)


def _kill(found: list[psutil.Process]) -> None:
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=5)


def _suspend(found: list[psutil.Process], seconds: float) -> None:
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in found:
        with suppress(psutil.NoSuchProcess):  # the keeper may have replaced it
            process.resume()


def _fill(folder: Path, seconds: float) -> None:
    """Take all space of a folder's disk for some seconds."""
    filler, end = folder / "filler", time.monotonic() + seconds
    with filler.open("wb", buffering=0) as file:
        while time.monotonic() < end:
            try:
                file.write(bytes(2**16))
            except OSError:
                time.sleep(0.05)  # somebody may have freed some
    filler.unlink()


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Yield a folder on a disk of its own, in memory."""
    disk = folder / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_MIB}m,mode=0711", "tmpfs"]
    subprocess.run(["mount", *options, str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def rounds(number: int, seed: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield runs, each as its DAG and the victim of each of its steps, until there are so many victims."""
    order = random.Random(seed)
    left = {dag_id: {step: list(VICTIMS) for step in steps} for dag_id, steps in STEPS.items()}
    for steps in left.values():
        for victims in steps.values():
            order.shuffle(victims)
    while number > 0 and any(victims for steps in left.values() for victims in steps.values()):
        for dag_id, steps in left.items():
            chosen = {step: victims.pop() for step, victims in steps.items() if victims}
            chosen = dict(list(chosen.items())[: max(0, number)])
            number -= len(chosen)
            if chosen:
                yield dag_id, chosen


def main() -> int:
    """Harm, count, and return 1 if something did not survive."""
    most = sum(len(steps) for steps in STEPS.values()) * len(VICTIMS)
    parser = ArgumentParser(prog="make test WHAT=chaos", description=__doc__)
    parser.add_argument("--harm", type=Harm, choices=list(Harm), default=Harm.KILL)
    parser.add_argument("--number", type=int, default=most, help=f"how many (default and most: {most})")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no run after that time")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with database_folder() as folder, ExitStack() as held:
        place = held.enter_context(_small_disk(folder)) if given.harm is Harm.FULL else folder
        fields = {"airflow": {"retry_seconds": 5.0}, "min_free": 0}
        settings = settings_in(place / "var", pipelines=lenient_example(folder))
        chaos = Chaos(RunningStack(Stack(changed(settings, **fields))), given.harm)
        try:
            with Progress(console=_console) as progress:
                bar = progress.add_task("starting", total=min(given.number, most))
                chaos.running.stack.up(lambda text: None)
                chaos.prepare()
                end = time.monotonic() + 60 * given.minutes
                for dag_id, victims in rounds(given.number, given.seed):
                    if time.monotonic() > end:
                        break
                    progress.update(bar, description=f"{dag_id}: {', '.join(victims.values())}")
                    chaos.run(dag_id, victims)
                    progress.update(bar, completed=len(chaos.harmed))
                    for harmed in chaos.harmed[-len(victims) :]:
                        progress.print(f"{harmed.victim} at {harmed.step}: {harmed.seconds or inf:.0f} s")
        finally:
            chaos.running.stack.down(lambda text: None)
    return _show(chaos)


def _show(chaos: Chaos) -> int:
    picture = Picture(chaos.harm.value, "times", "survived", "median s", "most s")
    for victim in VICTIMS:
        mine = [harmed for harmed in chaos.harmed if harmed.victim == victim]
        seconds = [harmed.seconds for harmed in mine if harmed.seconds is not None]
        picture.add_row(
            victim,
            str(len(mine)),
            str(len(seconds)),
            f"{median(seconds):.0f}" if seconds else "",
            f"{max(seconds):.0f}" if seconds else "",
        )
    _console.print(picture)
    for fault in chaos.faults:
        _console.print(f"[red]fault[/red] {fault}", soft_wrap=True)
    survived = sum(harmed.seconds is not None for harmed in chaos.harmed)
    slow = sum((harmed.seconds or inf) > _AIM_SECONDS for harmed in chaos.harmed)
    runs = sum(chaos.runs.values())
    _console.print(f"{survived} of {len(chaos.harmed)} survived, in {runs} runs; {len(chaos.faults)} faults")
    _console.print(f"{slow} took longer than {_AIM_SECONDS:g} s")
    return int(bool(chaos.faults) or survived < len(chaos.harmed))


if __name__ == "__main__":
    sys.exit(main())
