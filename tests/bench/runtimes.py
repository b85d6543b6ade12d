"""`make bench WHAT=runtimes`: what a job costs in each runtime, through the whole of Airflow.

The example's training is run again and again on one month, by a stack of this benchmark's own for each
runtime. A job's seconds are from the end of the task before it to the end of its own task: the work, cold
imports where there are any, and what Airflow with the engine or the cluster takes. Medians, and what each
runtime adds to `process`. A runtime that this machine has not is left out, which is reported.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from uuid import uuid4

from kubernetes import client, config
from rich.console import Console

from include.exceptions import MillraceError
from include.platform.embedded.stack import Stack
from include.settings import Runtime
from tests.bench.facts import report
from tests.support.stack import RunningStack, changed, database_folder, settings_in

_JOBS = ("train", "evaluate")
_console = Console(highlight=False)


def main() -> None:
    """Measure, print, and write `var/bench/runtimes.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.runtimes", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    facts: dict[str, float] = {}
    for runtime in (Runtime.PROCESS, Runtime.DOCKER, Runtime.KUBERNETES):
        try:
            facts |= _measure(runtime, repetitions)
        except MillraceError as error:
            _console.print(f"without {runtime.value}: {error}")
    for runtime in (Runtime.DOCKER, Runtime.KUBERNETES):
        for job in _JOBS:
            if (whole := facts.get(f"{job}, {runtime.value}")) is not None:
                facts[f"{runtime.value} adds to {job}"] = round(whole - facts[f"{job}, process"], 2)
    report("runtimes", "a job through Airflow", facts)


def _measure(runtime: Runtime, repetitions: int) -> dict[str, float]:
    with _stack(runtime) as running:
        for dag in ("ingest", "train"):
            running.airflow.wait_for_dag(f"flights.{dag}")
        month = {"start": "2013-01-01", "end": "2013-01-31"}
        running.airflow.run("flights.ingest", "bench", month)
        _train(running, "first")
        turns = [_train(running, f"turn-{number}") for number in range(repetitions)]
    return {f"{job}, {runtime.value}": round(median(turn[job] for turn in turns), 2) for job in _JOBS}


def _train(running: RunningStack, run_id: str) -> dict[str, float]:
    """The seconds of each job of a training."""
    running.airflow.run("flights.train", run_id, {"reason": "bench", "until": "2013-01-31"})
    ends = {task.task_id: task.end for task in running.airflow.tasks("flights.train", run_id)}
    order = [ends[name] for name in ("pin", *_JOBS)]
    return {
        job: (after - before).total_seconds()
        for job, (before, after) in zip(_JOBS, pairwise(order), strict=True)
        if before and after
    }


@contextmanager
def _stack(runtime: Runtime) -> Iterator[RunningStack]:
    namespace = f"millrace-bench-{uuid4().hex[:8]}"
    with database_folder() as folder:
        settings = changed(settings_in(folder / "var"), runtime=runtime, kubernetes={"namespace": namespace})
        stack = Stack(settings)
        try:
            stack.up(lambda text: None)
            yield RunningStack(stack)
            if runtime is Runtime.KUBERNETES:
                config.load_kube_config()
                client.CoreV1Api().delete_namespace(namespace)
        finally:
            stack.down(lambda text: None)


if __name__ == "__main__":
    main()
