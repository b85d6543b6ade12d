"""What is killed: each part of a stack, its helpers, and the worker of the task that runs."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from include.platform.embedded import postgres
from include.platform.embedded.supervisor import KEEPER
from tests.support.faults import command
from tests.support.stack import RunningStack

Victim = Callable[[RunningStack], list[psutil.Process]]
"""Finds the processes to kill; none if there are none at the moment."""


def part(name: str) -> Victim:
    """Find the first process of a part."""

    def find(running: RunningStack) -> list[psutil.Process]:
        pid = running.stack.supervisor.parts()[name].pid
        return [psutil.Process(pid)] if pid else []

    return find


def child_of(name: str, words: str) -> Victim:
    """Find a process below a part, by words of its command."""

    def find(running: RunningStack) -> list[psutil.Process]:
        heads = part(name)(running)
        below = [child for head in heads for child in head.children(recursive=True)]
        return [process for process in below if words in command(process)][:1]

    return find


def database(running: RunningStack) -> list[psutil.Process]:
    """Find PostgreSQL's first process."""
    pid = postgres.pid(running.stack.database)
    return [psutil.Process(pid)] if pid else []


def backend(running: RunningStack) -> list[psutil.Process]:
    """Find a process of PostgreSQL that serves Airflow; its death makes PostgreSQL close all connections."""
    members = postgres.members(running.stack.database)
    return [process for process in members if "postgres airflow" in command(process)][:1]


def supervisor(running: RunningStack) -> list[psutil.Process]:
    """Find supervisord."""
    record = running.stack.record()
    process = record.process() if record else None
    return [process] if process else []


def task(running: RunningStack) -> list[psutil.Process]:
    """Find a task that runs, and the worker of the scheduler that watches it."""
    found = [process for process in running.stack.members() if "airflow worker -- " in command(process)]
    tasks = [process for process in found if "<idle>" not in command(process)]
    return tasks[:2]


VICTIMS: dict[str, Victim] = {
    "PostgreSQL": database,
    "a backend of PostgreSQL": backend,
    "lake": part("lake"),
    "MLflow": part("mlflow"),
    "a worker of MLflow": child_of("mlflow", "uvicorn"),
    "api-server": part("airflow"),
    "scheduler": part("scheduler"),
    "the scheduler's fork server": child_of("scheduler", "forkserver"),
    "dag-processor": part("dag-processor"),
    "triggerer": part("triggerer"),
    "supervisor": supervisor,
    "keeper": part(KEEPER),
    "a task and its worker": task,
}
