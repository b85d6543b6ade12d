"""Faults of a running stack: killed workers, and services that hang, are down or come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from airflow_client.client.exceptions import ServiceException

from tests.support.stack import RunningStack

SOON = 0.02
"""Between two looks where what comes next must not be late, such as a kill in the middle of a task."""


def wait_until(condition: Callable[[], bool], seconds: float = 90, *, every: float = 0.25) -> None:
    """Wait until a condition is true, with a look each `every` seconds; raise TimeoutError after `seconds`.

    Most looks are requests: many a second would take the core that they wait for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} stayed false for {seconds} s")
        time.sleep(every)


def announced(running: RunningStack, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """Return the extras of a run's asset events."""
    events = asset_events(running, source_dag_id=dag_id, source_run_id=run_id)
    return [dict(event.extra) for event in events]


def asset_events(running: RunningStack, **query: Any) -> list[Any]:
    """Return the asset events that Airflow's API selects by `query`.

    Airflow answers 500 while a run that one of them made has no start (queued, or cleared), up to the release
    with https://github.com/apache/airflow/pull/71379. From that release on, the call needs no second try.
    """
    api = running.airflow._api("AssetApi")
    for _ in range(60):
        try:
            return list(api.get_asset_events(**query).asset_events)
        except ServiceException:
            time.sleep(0.5)
    raise AssertionError(f"Airflow's API selects no asset events by {query}\n{running.stack.tail(lines=80)}")


def state(running: RunningStack, dag_id: str, run_id: str, task_id: str) -> str:
    """Return the state of a task."""
    return next(task.state for task in running.airflow.tasks(dag_id, run_id) if task.task_id == task_id)


def kill_worker(running: RunningStack, dag_id: str, run_id: str, task_id: str) -> None:
    """Kill the process of a running task and the scheduler's worker that supervises it, with SIGKILL."""
    task = running.airflow._api("TaskInstanceApi").get_task_instance(dag_id, run_id, task_id)
    title = f"airflow worker -- {task.id}"

    def tasks() -> list[psutil.Process]:
        return [process for process in running.stack.members() if title in command(process)]

    wait_until(lambda: bool(tasks()), every=SOON)
    for process in tasks():
        worker = process.parent()
        process.kill()
        if worker is not None:
            worker.kill()


@contextmanager
def frozen(running: RunningStack, part: str) -> Iterator[None]:
    """Suspend a part while the block runs: it accepts connections, but answers only afterwards."""
    processes = _processes(running, part)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def frozen_once(running: RunningStack, part: str, reached: Callable[[], bool]) -> Iterator[None]:
    """Suspend a part, let it work in short slices until a condition is true, and suspend it for the block.

    `reached` is called while the part is suspended, so it must not call the part: however long the call
    takes on a busy machine, nothing goes on behind its back.
    """
    processes = _processes(running, part)

    def work_a_little() -> bool:
        for process in processes:
            process.resume()
        time.sleep(0.03)
        for process in processes:
            process.suspend()
        return reached()

    try:
        wait_until(work_a_little, every=SOON)
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def down(running: RunningStack, part: str) -> Iterator[None]:
    """Stop a part, and start it again at the end of the block."""
    running.stack.supervisor.stop(part)
    try:
        yield
    finally:
        running.stack.supervisor.start(part)
        wait_until(lambda: running.stack.health()[part] == "healthy")


def _processes(running: RunningStack, part: str) -> list[psutil.Process]:
    """Return a part's process and those below it."""
    process = psutil.Process(running.stack.supervisor.parts()[part].pid)
    return [process, *process.children(recursive=True)]


def command(process: psutil.Process) -> str:
    """Return a process's command, nothing if the process has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
