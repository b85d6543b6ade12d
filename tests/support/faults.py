"""Doing harm to a running stack, the way the world does it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from include.platform.embedded import postgres
from include.platform.embedded.environment import environment, urls
from include.settings import ROOT
from tests.support.stack import RunningStack

COMMANDS = {"lake": "include.platform.embedded.lakefs", "mlflow": "mlflow", "triggerer": "airflow triggerer"}


def wait_until(true: Callable[[], bool], seconds: float = 90) -> None:
    """Look many times a second; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{true} stayed false for {seconds} s")
        time.sleep(0.02)


def announced(running: RunningStack, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """What the asset events of a run carry."""
    api = running.airflow._api("AssetApi")
    found = api.get_asset_events(source_dag_id=dag_id, source_run_id=run_id).asset_events
    return [dict(event.extra) for event in found]


def state(running: RunningStack, dag_id: str, run_id: str, task_id: str) -> str:
    """The state of a task."""
    return next(task.state for task in running.airflow.tasks(dag_id, run_id) if task.task_id == task_id)


def kill_worker(running: RunningStack, dag_id: str, run_id: str, task_id: str) -> None:
    """`kill -9` the process of a running task and the scheduler's worker that watches it."""
    task = running.airflow._api("TaskInstanceApi").get_task_instance(dag_id, run_id, task_id)
    title = f"airflow worker -- {task.id}"

    def tasks() -> list[psutil.Process]:
        return [process for process in running.stack.members() if title in _command(process)]

    wait_until(lambda: bool(tasks()))
    for process in tasks():
        worker = process.parent()
        process.kill()
        if worker is not None:
            worker.kill()


@contextmanager
def frozen(running: RunningStack, part: str) -> Iterator[None]:
    """A part that takes connections and answers nothing until the end of the block, then everything."""
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
    """A part that works in short slices until something is reached, and is frozen there.

    `reached` is asked while the part works, so it may ask the part.
    """
    processes = _processes(running, part)

    def work_a_little() -> bool:
        for process in processes:
            process.resume()
        time.sleep(0.03)
        found = reached()
        for process in processes:
            process.suspend()
        return found

    try:
        wait_until(work_a_little)
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def down(running: RunningStack, part: str) -> Iterator[None]:
    """A part that is gone, and comes back at the end of the block.

    The supervisor would stop the others with it: it is held for as long as the stack lives, and the part
    that came back is a child of the test, ended by `revived`.
    """
    record = running.stack.record()
    assert record is not None
    supervisor = record.process()
    assert supervisor is not None
    supervisor.suspend()
    for process in _processes(running, part):
        process.kill()
    try:
        yield
    finally:
        _revive(running, part)


_revived: list[subprocess.Popen[bytes]] = []


def end_revived() -> None:
    """Stop the parts that came back."""
    while _revived:
        process = _revived.pop()
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def _revive(running: RunningStack, part: str) -> None:
    line = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith(f"{part}:"))
    socket = postgres.start(running.stack.database)
    variables = environment(running.settings, running.secrets, socket)
    with (running.settings.var / "log" / f"revived-{part}.log").open("ab") as log:
        _revived.append(
            subprocess.Popen(
                ["sh", "-c", line.split(": ", 1)[1]], cwd=ROOT, env=variables, stdout=log, stderr=log
            )
        )
    wait_until(lambda: running.stack.health()[part] == "healthy")


def _processes(running: RunningStack, part: str) -> list[psutil.Process]:
    found = [process for process in running.stack.members() if _is(process, COMMANDS[part])]
    assert found, f"{part} does not run at {urls(running.settings)[part]}"
    return found


def _is(process: psutil.Process, text: str) -> bool:
    command = _command(process)
    others = (other for other in ("airflow", "honcho", "postgres") if other not in text)
    return text in command and not any(other in command for other in others)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
