"""A complete embedded stack for tests, on free ports and in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from include.lake.client import Lake
from include.platform.demo.airflow import Airflow
from include.platform.embedded import postgres, processes, stack_secrets
from include.platform.embedded.environment import urls
from include.platform.embedded.processes import Record
from include.platform.embedded.stack import Stack
from include.settings import ROOT, AirflowGroup, LakeFSGroup, MLflowGroup, Settings
from include.tracking.server import TrackingServer
from tests.support import lifeline

PIPELINES = ROOT / "include/pipelines"


def free_ports(number: int) -> list[int]:
    """Return free ports; each is bound until all are found, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [probe.getsockname()[1] for probe in probes]


def settings_in(folder: Path, *, examples: bool = False, pipelines: Path = PIPELINES) -> Settings:
    """Return the settings of a separate stack below a folder."""
    airflow, mlflow, lake = free_ports(3)
    return Settings(
        var=folder,
        airflow=AirflowGroup(port=airflow, retry_seconds=1.0, examples=examples),
        mlflow=MLflowGroup(port=mlflow),
        lakefs=LakeFSGroup(port=lake),
        code_version="0123abc",
        pipelines=pipelines,
    )


def changed(settings: Settings, **fields: Any) -> Settings:
    """The same settings with other values; those of a group as a dictionary."""
    groups = {name: value for name, value in fields.items() if isinstance(value, dict)}
    return settings.model_copy(
        update=fields
        | {name: getattr(settings, name).model_copy(update=value) for name, value in groups.items()}
    )


@dataclass(frozen=True)
class RunningStack:
    """A running stack with clients for its services."""

    stack: Stack

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    @property
    def secrets(self) -> stack_secrets.Secrets:
        return stack_secrets.ensure(self.settings.var)

    @cached_property
    def airflow(self) -> Airflow:
        """Client of Airflow's REST API, as the stack's only user."""
        where = urls(self.settings)["airflow"]
        return Airflow(where, stack_secrets.USER, self.secrets.airflow_password)

    def tracking(self) -> TrackingServer:
        """Return MLflow; this process is logged in there until it ends."""
        return self.stack.tracking().log_in()

    def lake(self, repository: str) -> Lake:
        """Return a repository of the lake."""
        return Lake(self.stack.connection(), repository)

    def listening(self) -> set[tuple[str, int]]:
        """Return the addresses on which its processes listen."""
        found = set[tuple[str, int]]()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                for connection in process.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        found.add((str(connection.laddr[0]), int(connection.laddr[1])))
        return found

    def processes(self) -> list[psutil.Process]:
        """Return its members, and other processes that have its folder in their environment or work in it."""
        members, var = self.stack.members(), self.settings.var
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                carries = process.environ().get("MILLRACE_VAR") == str(var)
                if process.pid != os.getpid() and (carries or Path(process.cwd()).is_relative_to(var)):
                    members.append(process)
        return list(set(members))


@contextmanager
def database_folder() -> Iterator[Path]:
    """Yield a temporary folder that PostgreSQL can use.

    It is not below pytest's own temporary folder, which other users cannot enter: if root runs the tests,
    PostgreSQL runs as another user.
    """
    with (
        TemporaryDirectory(prefix="millrace-test-") as folder,
        lifeline.run_if_killed(sys.executable, "-m", __name__, folder),
    ):
        yield Path(folder).resolve()


def _remove(folder: Path) -> None:
    """Stop the stacks and databases below a folder, whose starter has died, and remove it."""
    for var in (folder, *filter(Path.is_dir, folder.iterdir())):
        if record := Record.read(var / "run" / "stack.json"):
            processes.end(record.members(), grace=5)
        postgres.stop(var / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def run_stack(*, examples: bool = False, pipelines: Path = PIPELINES) -> Iterator[RunningStack]:
    """Yield a running stack, and stop it at the end even if its start or the test fails."""
    with database_folder() as folder:
        stack = Stack(settings_in(folder / "var", examples=examples, pipelines=pipelines))
        try:
            stack.up(lambda text: None)
            yield RunningStack(stack)
        finally:
            stack.down(lambda text: None)


if __name__ == "__main__":
    _remove(Path(sys.argv[1]).resolve())
