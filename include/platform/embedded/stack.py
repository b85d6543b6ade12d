"""Starting and stopping the whole platform on this machine.

`up` prepares (secrets, database, schema), hands the parts of the Procfile to honcho, and waits until each
says that it is well. `down` leaves no process, no lock and no socket. Both may be killed and run again.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from include.exceptions import Misconfigured, Unavailable
from include.lake.client import Lake, LakeConnection
from include.platform.embedded import cluster, gateway, lake_process, postgres, processes, secrets
from include.platform.embedded.environment import HOST, deployment, environment, urls
from include.platform.embedded.gateway import Gateway
from include.platform.embedded.processes import Record
from include.settings import ROOT, Runtime, Settings

PORTS = {"airflow": "MILLRACE_AIRFLOW_PORT", "mlflow": "MILLRACE_MLFLOW_PORT", "lake": "MILLRACE_LAKEFS_PORT"}
PARTS = ("postgres", "lake", "mlflow", "airflow", "scheduler", "dag-processor", "triggerer")
GATEWAY = "gateway"
"""The part that lets containers in; only with MILLRACE_RUNTIME=docker or kubernetes."""
_START_SECONDS = 240  # on a busy machine; the imports of the workers are among them
_STOP_SECONDS = 12

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """The platform below one folder, `settings.var`."""

    settings: Settings

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of this stack."""
        return (*PARTS, GATEWAY) if self._in_containers else PARTS

    @property
    def _in_containers(self) -> bool:
        return self.settings.runtime in (Runtime.DOCKER, Runtime.KUBERNETES)

    @property
    def database(self) -> Path:
        return self.settings.var / "postgres"

    @property
    def log(self) -> Path:
        """What the parts print, each line behind the part's name."""
        return self.settings.var / "log" / "stack.log"

    @property
    def _record_file(self) -> Path:
        return self.settings.var / "run" / "stack.json"

    @property
    def _lock_file(self) -> Path:
        return self.settings.var / "run" / "lock"

    @property
    def _ports(self) -> tuple[int, ...]:
        return self.settings.airflow.port, self.settings.mlflow.port, self.settings.lakefs.port

    def record(self) -> Record | None:
        """What is known of the started processes."""
        return Record.read(self._record_file)

    def up(self, say: Say) -> None:
        """Start what does not run and wait until all is well; harmless if it is.

        Raises Misconfigured for a port that is taken, Unavailable (with the end of the log) if a part dies
        or does not become well.
        """
        with processes.file_lock(self._lock_file):
            record = self.record()
            if record is None or record.process() is None:
                if record:
                    processes.end(record.members(), grace=5)
                lake_process.check(self.settings)
                self._refuse_busy_ports()
                self._start(say)
            elif record.ports != self._ports:
                raise Misconfigured(
                    f"the stack runs on the ports {record.ports}, not on {self._ports}; "
                    f"run `make down` first, or set {', '.join(PORTS.values())} as they were"
                )
            elif record.runtime != self.settings.runtime:
                raise Misconfigured(
                    f"the stack runs with MILLRACE_RUNTIME={record.runtime}, not {self.settings.runtime}; "
                    "run `make down` first"
                )
            self._wait(say)
            self._prepare_lake()

    def down(self, say: Say) -> None:
        """Stop everything; fine if nothing runs."""
        with processes.file_lock(self._lock_file):
            if record := self.record():
                say("stopping Airflow, MLflow and the lake")
                members = record.members()
                supervisor = record.process()
                if supervisor:
                    supervisor.terminate()
                    processes.wait_gone(supervisor, _STOP_SECONDS)
                processes.end([process for process in members if process.is_running()], grace=5)
                self._record_file.unlink(missing_ok=True)
            say("stopping PostgreSQL")
            postgres.stop(self.database)

    def wipe(self, say: Say) -> None:
        """Stop everything and remove what was kept; what others put into the folder stays."""
        self.down(say)
        others = ("airflow", "bench", "demo", "log", "mlflow", "postgres", "run", "secrets")
        for name in (*others, *lake_process.FOLDERS):
            if (folder := self.settings.var / name).exists():
                say(f"removing {folder}")
                shutil.rmtree(folder)

    def health(self) -> dict[str, str]:
        """For each part `well`, or what is the matter with it."""
        found = dict.fromkeys(self.parts, "does not answer")
        if self._in_containers and all(processes.listens_beside(HOST, port) for port in self._ports[1:]):
            found[GATEWAY] = "well"
        if postgres.pid(self.database):
            found["postgres"] = "well"
        where = urls(self.settings)
        for part, path in (("lake", "/api/v1/healthcheck"), ("mlflow", "/health")):
            if _get(where[part] + path) is not None:
                found[part] = "well"
        answer = _get(where["airflow"] + "/api/v2/monitor/health")
        # Tasks ask another part of the server than people do. It is built by its first request, which takes
        # seconds, longer than a task waits ([workers] execution_api_timeout): this one, not the first task's.
        # Drop once cadwyn builds at start (https://github.com/zmievsa/cadwyn).
        if answer is not None and _get(where["airflow"] + "/execution/health") is not None:
            found["airflow"] = "well"
        if answer is not None:
            for part in ("scheduler", "dag-processor", "triggerer"):
                state = (answer.get(part.replace("-", "_")) or {}).get("status")
                found[part] = "well" if state == "healthy" else f"says {state!r}"
        return found

    def members(self) -> list[psutil.Process]:
        """Every process of the stack, the database's too."""
        record = self.record()
        return [*(record.members() if record else []), *postgres.members(self.database)]

    def summary(self) -> list[tuple[str, str]]:
        """Where everything is, for people; never a secret."""
        where = urls(self.settings)
        return [
            ("Airflow", f"{where['airflow']}  user {secrets.USER!r}"),
            ("password", f"in {secrets.password_file(self.settings.var)}"),
            ("MLflow", where["mlflow"]),
            ("lake", f"{where['lake']}  (lakeFS API)"),
            ("logs", f"{self.log.parent}"),
        ]

    def connection(self) -> LakeConnection:
        """The lake, as the stack's own keys open it."""
        found = secrets.ensure(self.settings.var)
        return LakeConnection(
            endpoint=urls(self.settings)["lake"],
            access_key_id=found.lake_access_key_id,
            secret_access_key=found.lake_secret_access_key,
        )

    def _refuse_busy_ports(self) -> None:
        where = urls(self.settings)
        ports = {part: int(where[part].rsplit(":", 1)[1]) for part in PORTS}
        if len(set(ports.values())) < len(ports):
            raise Misconfigured(f"{', '.join(PORTS.values())} have to differ; they are {ports}")
        for part, variable in PORTS.items():
            port = ports[part]
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise Misconfigured(
                        f"port {port} for {part} is taken by {processes.listening_on(port)}; "
                        f"stop it, or set {variable} to a free port (in the environment or in .env)"
                    ) from error

    def _start(self, say: Say) -> None:
        from importlib.metadata import version

        self.settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.parent.mkdir(exist_ok=True)
        made = secrets.ensure(self.settings.var)
        say("starting PostgreSQL")
        database = postgres.start(self.database)
        gateway = self._gateway(made)
        variables = environment(self.settings, made, database, gateway)
        if postgres.migrated_to(database) != version("apache-airflow-core"):
            say("bringing Airflow's database to its schema")
            self._run(["airflow", "db", "migrate"], variables)
            postgres.note_migration(database, version("apache-airflow-core"))
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        supervisor = self._spawn(variables)
        created = psutil.Process(supervisor).create_time()
        started = Record(supervisor, created, ports=self._ports, runtime=self.settings.runtime.value)
        started.write(self._record_file)

    def _gateway(self, made: secrets.Secrets) -> Gateway | None:
        """Where containers come in, and in a cluster what else they need there."""
        if self.settings.runtime is Runtime.DOCKER:
            return gateway.job_gateway(self.settings.jobs.network)
        if self.settings.runtime is not Runtime.KUBERNETES:
            return None
        found = cluster.gateway(self.settings)
        cluster.prepare(self.settings, lake_process.login(made), deployment(self.settings, made))
        return found

    def _spawn(self, variables: dict[str, str]) -> int:
        """Start honcho in a session of its own; it outlives this process, which waits for no child.

        What the parts write (artifacts, logs, the lake) holds rows of the data: for the owner only.
        """
        # `-e`: honcho would lay .env over the environment, which counts more (include/settings.py)
        command = ["honcho", "--no-colour", "-e", os.devnull, "-d", str(ROOT), "-f", str(ROOT / "Procfile")]
        parts = (part for part in self.parts if part != "postgres")
        before = os.umask(0o077)
        try:
            return os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", *command, "start", *parts],
                variables,
                setsid=True,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
            )
        finally:
            os.umask(before)

    def _run(self, command: list[str], variables: dict[str, str]) -> None:
        with self.log.open("ab") as log:
            ended = subprocess.run(command, cwd=ROOT, env=variables, stdout=log, stderr=log, check=False)
        if ended.returncode:
            raise Unavailable(f"{' '.join(command)!r} ended with {ended.returncode}:\n{self.tail()}")

    def _prepare_lake(self) -> None:
        from include.contract import loader

        for spec in loader.valid(self.settings.pipelines):
            repository = Lake(self.connection(), spec.lake.repository)
            repository.ensure_repository(f"local://{spec.lake.repository}", spec.lake.branch)

    def _wait(self, say: Say) -> None:
        deadline, told = time.monotonic() + _START_SECONDS, set[str]()
        while True:
            record = self.record()
            supervisor = record.process() if record else None
            if record is None or supervisor is None:
                raise Unavailable(f"a part of the stack died at its start:\n{self.tail()}")
            replace(record, sessions=processes.sessions_below(supervisor)).write(self._record_file)
            health = self.health()
            for part in [part for part, state in health.items() if state == "well" and part not in told]:
                told.add(part)
                say(f"{part} is well")
            if len(told) == len(self.parts):
                return
            if time.monotonic() > deadline:
                ill = ", ".join(f"{part} {state}" for part, state in health.items() if state != "well")
                raise Unavailable(f"not well after {_START_SECONDS} s: {ill}\n{self.tail()}")
            time.sleep(0.3)

    def tail(self, lines: int = 25) -> str:
        """The end of the log."""
        if not self.log.exists():
            return f"(no log at {self.log})"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _get(url: str) -> dict[str, Any] | None:
    """The JSON of an answer, an empty one for no JSON, None for no good answer."""
    import urllib3

    try:
        answer = urllib3.request("GET", url, timeout=2, retries=False)
        if answer.status >= 300:
            return None
        return dict(answer.json()) if answer.data.startswith(b"{") else {}
    except (urllib3.exceptions.HTTPError, ValueError):
        return None
