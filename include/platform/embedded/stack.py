"""Start and stop the whole platform on this machine.

`up` prepares secrets, database and schema, starts the parts of the Procfile with supervisord, and waits until
all of them are healthy. On a running stack it is a repair: it starts what is missing and restarts what is not
healthy. `down` leaves no process, lock or socket behind. Both can be killed at any moment and run again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from include.exceptions import Misconfigured, Unavailable
from include.lake.client import LakeConnection
from include.platform.embedded import (
    airflow_host,
    cluster,
    gateway,
    lake_process,
    mlflow_login,
    postgres,
    processes,
    stack_secrets,
)
from include.platform.embedded.deaths import Deaths
from include.platform.embedded.environment import HOST, deployment, environment, privacy_secret, urls
from include.platform.embedded.gateway import Gateway
from include.platform.embedded.processes import Record
from include.platform.embedded.stack_secrets import Secrets
from include.platform.embedded.supervisor import FATAL, KEEPER, STOPPED, Supervisor, read_procfile
from include.settings import ROOT, Runtime, Settings
from include.tracking.server import TrackingServer

PORTS = {"airflow": "MILLRACE_AIRFLOW_PORT", "mlflow": "MILLRACE_MLFLOW_PORT", "lake": "MILLRACE_LAKEFS_PORT"}
POSTGRES = "postgres"
PARTS = (POSTGRES, "lake", "mlflow", "airflow", "scheduler", "dag-processor", "triggerer")
GATEWAY = "gateway"
"""The part that forwards ports for containers; only with MILLRACE_RUNTIME=docker or kubernetes."""
HEALTHY = "healthy"
_START_TIMEOUT_SECONDS = 240  # on a busy machine; it includes the imports of the workers
_STOP_TIMEOUT_SECONDS = 12
_SEEN_BY_AIRFLOW = ("scheduler", "dag-processor", "triggerer")
WARM_UP_SECONDS = 60
_UP = "up"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """The platform below one folder, `settings.var`."""

    settings: Settings

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of this stack."""
        return (*PARTS, GATEWAY) if self._in_containers else PARTS

    @property
    def _in_containers(self) -> bool:
        return self.settings.runtime in (Runtime.DOCKER, Runtime.KUBERNETES)

    @property
    def database(self) -> Path:
        """Folder of PostgreSQL's data."""
        return self.settings.var / "postgres"

    @property
    def logs(self) -> Path:
        """Folder of the logs: of each part, of the supervisor, of what `up` ran, and of tasks."""
        return self.settings.var / "log"

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of all parts except PostgreSQL."""
        return Supervisor(self.settings.var)

    @property
    def deaths(self) -> Deaths:
        """The deaths of the parts since the stack was started."""
        return Deaths(self.settings.var / "run" / "deaths.json")

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
        """Return the record of the started processes, or None."""
        return Record.read(self._record_file)

    def up(self, say: Say) -> None:
        """Start what does not run, restart what is not healthy, and wait until every part is healthy.

        Raises Misconfigured if a port is taken or Airflow is to listen beyond loopback, Unavailable with the
        end of the log if a part does not start or does not become healthy in time.
        """
        airflow_host.check()
        # Nobody else may enter it, not even before there is something to read.
        self.settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
        with processes.file_lock(self._lock_file):
            record = self.record()
            if record is None or record.process() is None:
                lake_process.check(self.settings)
                self._clear(record)
                self._refuse_busy_ports()
                self._start(say)
            else:
                self.check_started_so()
                self._repair(record, say)
            self._wait(say)
            self._prepare_lake()

    def check_started_so(self) -> None:
        """Raise Misconfigured if the stack runs, started with other settings or by another version."""
        record = self.record()
        if record is None or record.process() is None:
            return
        if record.ports != self._ports:
            raise Misconfigured(
                f"the stack runs on the ports {record.ports}, not on {self._ports}; "
                f"run `make down` first, or set {', '.join(PORTS.values())} as they were"
            )
        if record.runtime != self.settings.runtime:
            raise Misconfigured(
                f"the stack runs with MILLRACE_RUNTIME={record.runtime}, not {self.settings.runtime}; "
                "run `make down` first"
            )
        with suppress(Unavailable):  # a supervisor that does not answer is replaced with all its parts
            self._check_parts(set(self.supervisor.parts()))

    def _check_parts(self, known: set[str]) -> None:
        expected = {KEEPER, *self.parts} - {POSTGRES}
        if known != expected:
            found = {"lacks": expected - known, "has": known - expected}
            differences = [f"{verb} {', '.join(sorted(names))}" for verb, names in found.items() if names]
            raise Misconfigured(
                f"another version of Millrace started this stack, which {' and '.join(differences)}; run "
                "`make down up`, which starts the parts of this version and keeps the data"
            )

    def revive(self, supervisor: int, say: Say) -> None:
        """Start a stack again whose supervisor, the process with this id, has died.

        Does nothing if the stack was stopped since, or has another supervisor.
        """
        with processes.file_lock(self._lock_file):
            record = self.record()
            if record and record.supervisor == supervisor and record.process() is None:
                self._clear(record)
                self._start(say)
                self._wait(say)

    def start_database(self) -> None:
        """Start PostgreSQL if it has died; leave that to `up` or `down` while one of them is at work."""
        if postgres.pid(self.database) is None:
            with suppress(processes.IsLocked), processes.file_lock(self._lock_file, wait=False):
                self._start_dead_database()

    def _start_dead_database(self) -> None:
        self.deaths.add(POSTGRES)
        postgres.start(self.database)

    def orphans(self) -> list[psutil.Process]:
        """Return what parts that died have left running."""
        record = self.record()
        return record.orphans() if record else []

    def down(self, say: Say) -> None:
        """Stop everything; do nothing if nothing runs."""
        with processes.file_lock(self._lock_file):
            for record in self._records(self.record()):
                say("stopping Airflow, MLflow and the lake")
                _stop(record)
            self._record_file.unlink(missing_ok=True)
            self.supervisor.remove()
            mlflow_login.remove_config(self.settings.var)
            self.deaths.file.unlink(missing_ok=True)
            say("stopping PostgreSQL")
            postgres.stop(self.database)

    def wipe(self, say: Say) -> None:
        """Stop everything and remove the stack's data; other files in its folder stay."""
        self.down(say)
        folders = ("airflow", "bench", "demo", "log", "mlflow", "postgres", "run", "secrets")
        for name in (*folders, *lake_process.FOLDERS):
            if (folder := self.settings.var / name).exists():
                say(f"removing {folder}")
                shutil.rmtree(folder)

    def health(self) -> dict[str, str]:
        """Return the state of each part: `healthy`, or what is wrong with it."""
        states = dict.fromkeys(self.parts, "does not answer")
        if self._in_containers and all(
            processes.listens_on_another_address(HOST, port) for port in self._ports[1:]
        ):
            states[GATEWAY] = HEALTHY
        if postgres.pid(self.database):
            states[POSTGRES] = HEALTHY
        where = urls(self.settings)
        for part, path in (("lake", "/api/v1/healthcheck"), ("mlflow", "/health")):
            if _get(where[part] + path) is not None:
                states[part] = HEALTHY
        answer = _get(where["airflow"] + "/api/v2/monitor/health")
        # Tasks use another application of the server than people do. Its first request builds it, which takes
        # longer than a task waits ([workers] execution_api_timeout): let this request do so, not the first
        # task's. Drop once cadwyn builds it at the start (https://github.com/zmievsa/cadwyn).
        if answer is not None and _get(where["airflow"] + "/execution/health") is not None:
            states["airflow"] = HEALTHY
        if answer is not None:
            for part in _SEEN_BY_AIRFLOW:
                status = (answer.get(part.replace("-", "_")) or {}).get("status")
                states[part] = HEALTHY if status == "healthy" else f"reports {status!r}"
        return states

    def members(self) -> list[psutil.Process]:
        """Return every process of the stack, including the database's."""
        parts = [process for record in self._records(self.record()) for process in record.members()]
        return [*parts, *postgres.members(self.database)]

    def summary(self) -> list[tuple[str, str]]:
        """Return labelled addresses and paths for people; never a secret."""
        where = urls(self.settings)
        return [
            ("Airflow", f"{where['airflow']}  user {stack_secrets.USER!r}"),
            ("password", f"in {stack_secrets.password_file(self.settings.var)}"),
            ("MLflow", f"{where['mlflow']}  the same user and password"),
            ("lake", f"{where['lake']}  (lakeFS API)"),
            ("logs", f"{self.logs}"),
        ]

    def variables(self) -> dict[str, str]:
        """Return the environment of the parts, in which Airflow's CLI works on this stack.

        Raises Unavailable if the database does not run.
        """
        if postgres.pid(self.database) is None:
            raise Unavailable("the stack does not run; run `make up` first")
        secrets = stack_secrets.ensure(self.settings.var)
        return environment(self.settings, secrets, str(postgres.socket_folder(self.database)))

    def connection(self) -> LakeConnection:
        """Return a connection to the lake with the stack's own keys."""
        secrets = stack_secrets.ensure(self.settings.var)
        return LakeConnection(
            endpoint=urls(self.settings)["lake"],
            access_key_id=secrets.lake_access_key_id,
            secret_access_key=secrets.lake_secret_access_key,
        )

    def privacy_secret(self) -> SecretStr:
        """Return the secret of hashes."""
        return privacy_secret(self.settings, stack_secrets.ensure(self.settings.var))

    def tracking(self) -> TrackingServer:
        """Return MLflow with the login of Airflow and its jobs."""
        password = stack_secrets.ensure(self.settings.var).mlflow_password
        return TrackingServer(
            uri=urls(self.settings)["mlflow"], username=stack_secrets.WORKER, password=password
        )

    def _refuse_busy_ports(self) -> None:
        where = urls(self.settings)
        ports = {part: int(where[part].rsplit(":", 1)[1]) for part in PORTS}
        if len(set(ports.values())) < len(ports):
            raise Misconfigured(f"{', '.join(PORTS.values())} have to differ; they are {ports}")
        for part, variable in PORTS.items():
            port = ports[part]
            if not processes.is_free(HOST, port):
                raise Misconfigured(
                    f"port {port} for {part} is taken by {processes.listening_on(port)}; "
                    f"stop it, or set {variable} to a free port (in the environment or in .env)"
                )

    def _records(self, recorded: Record | None) -> list[Record]:
        """Return the record, if there is one, and one for each supervisor whose `up` was killed before."""
        arguments = self.supervisor.arguments
        known = recorded.supervisor if recorded else None
        others = [found.pid for found in processes.started_with(arguments) if found.pid != known]
        return [*([recorded] if recorded else []), *(Record(pid, arguments) for pid in others)]

    def _clear(self, record: Record | None) -> None:
        """End what a supervisor that has died left running, and one of which nothing is recorded."""
        for found in self._records(record):
            _stop(found)
        self.deaths.file.unlink(missing_ok=True)

    def _start(self, say: Say) -> None:
        self.logs.mkdir(exist_ok=True)
        secrets = stack_secrets.ensure(self.settings.var)
        say("starting PostgreSQL")
        database = postgres.start(self.database)
        gateway = self._gateway(secrets)
        variables = environment(self.settings, secrets, database, gateway)
        self._prepare(database, secrets, variables, say)
        commands = read_procfile()
        parts = [KEEPER, *(part for part in self.parts if part != POSTGRES)]
        supervisor = self.supervisor.spawn({part: commands[part] for part in parts}, variables)
        started = Record(
            supervisor, self.supervisor.arguments, ports=self._ports, runtime=self.settings.runtime.value
        )
        try:
            started.write(self._record_file)
        except BaseException:
            _stop(started)  # what is not recorded would be in the way of the next `up`
            raise

    def _prepare(self, database: str, secrets: Secrets, variables: Mapping[str, str], say: Say) -> None:
        """Bring the databases to what this version expects of them."""
        schema = version("apache-airflow-core")
        if postgres.prepared_for(database, "airflow") != schema:
            say("migrating Airflow's database")
            self._run(["airflow", "db", "migrate"], variables)
            postgres.note_prepared(database, "airflow", schema)
        mlflow_login.write_config(self.settings.var, database)
        users = mlflow_login.state(self.settings.var, secrets)
        if postgres.prepared_for(database, postgres.MLFLOW_USERS) != users:
            say("making MLflow's users")
            self._run([sys.executable, "-m", mlflow_login.__name__], variables)
            postgres.note_prepared(database, postgres.MLFLOW_USERS, users)

    def _repair(self, record: Record, say: Say) -> None:
        """Start the parts that have failed, and restart those that have had time to become healthy."""
        try:
            parts = self.supervisor.parts()
        except Unavailable as error:
            say(f"starting everything again, as {error}")
            if supervisor := record.process():
                processes.end([supervisor], grace=0)
            self._clear(record)
            self._start(say)
            return
        if postgres.pid(self.database) is None:
            say("starting PostgreSQL")
            self._start_dead_database()
        health = self.health()
        for name, part in parts.items():
            if part.state in (FATAL, STOPPED):
                say(f"starting {name}")
                self.supervisor.start(name)
            elif judge(name, health) != HEALTHY and part.is_running and part.seconds > WARM_UP_SECONDS:
                say(f"restarting {name}, which {health[name]}")
                self.supervisor.restart(name)

    def _gateway(self, secrets: Secrets) -> Gateway | None:
        """Return the gateway for containers, if jobs run in any; prepare their namespace in a cluster."""
        if self.settings.runtime is Runtime.DOCKER:
            return gateway.job_gateway(self.settings.jobs.network)
        if self.settings.runtime is not Runtime.KUBERNETES:
            return None
        found = cluster.find_gateway(self.settings)
        logins = lake_process.login(secrets) | mlflow_login.login(secrets)
        cluster.prepare(self.settings, logins, deployment(self.settings, secrets))
        return found

    def _run(self, command: list[str], variables: Mapping[str, str]) -> None:
        file = self.logs / f"{_UP}.log"
        with file.open("wb") as log:
            process = subprocess.run(command, cwd=ROOT, env=variables, stdout=log, stderr=log, check=False)
        if process.returncode:
            raise Unavailable(f"{' '.join(command)!r} ended with {process.returncode}:\n{self.tail(_UP)}")

    def _prepare_lake(self) -> None:
        from include.platform.repositories import make_repositories

        make_repositories(self.connection(), self.settings.pipelines, lake_process.STORAGE)

    def _wait(self, say: Say) -> None:
        deadline, ready = time.monotonic() + _START_TIMEOUT_SECONDS, set[str]()
        while True:
            record = self.record()
            if record is None or record.process() is None:
                raise Unavailable(f"the supervisor died at the start:\n{self.tail('supervisor')}")
            if postgres.pid(self.database) is None:
                self._start_dead_database()  # the keeper leaves it to the holder of the lock
            health = self.health()
            for part in [part for part, state in health.items() if state == HEALTHY and part not in ready]:
                ready.add(part)
                say(f"{part} ready")
            # All at once: Airflow takes a scheduler for healthy by a heartbeat of the one that died before.
            if set(health.values()) == {HEALTHY}:
                return
            failed = self._failed()
            if failed or time.monotonic() > deadline:
                unhealthy = {part: state for part, state in health.items() if state != HEALTHY}
                what = (
                    f"does not start: {', '.join(failed)}"
                    if failed
                    else f"not healthy after {_START_TIMEOUT_SECONDS} s: "
                    + ", ".join(f"{part} {state}" for part, state in unhealthy.items())
                )
                raise Unavailable(f"{what}\n{self.tail(*(failed or unhealthy))}")
            time.sleep(0.3)

    def _failed(self) -> list[str]:
        """Return the parts that supervisord has given up; none while it does not answer yet."""
        try:
            return [name for name, part in self.supervisor.parts().items() if part.state == FATAL]
        except Unavailable:
            return []

    def log_of(self, name: str) -> Path:
        """Return the log file of a part, of the supervisor, of the keeper, or of what `up` ran."""
        return self.database / "log" if name == POSTGRES else self.logs / f"{name}.log"

    def tail(self, *parts: str, lines: int = 25) -> str:
        """Return the last lines of the logs of parts, of all parts by default, each with its file's name."""
        shown = []
        for name in parts or self.parts:
            file = self.log_of(name)
            text = file.read_text(errors="replace").splitlines() if file.exists() else ["(no such file)"]
            shown += [f"{file}:", *(f"  {line}" for line in text[-lines:])]
        return "\n".join(shown)


def _stop(record: Record) -> None:
    """Stop a supervisor, which would start again parts that end before it, and then its whole session."""
    members = record.members()
    if supervisor := record.process():
        with suppress(psutil.NoSuchProcess):
            supervisor.resume()  # a suspended one would not stop
            supervisor.terminate()
        processes.wait_until_gone(supervisor, _STOP_TIMEOUT_SECONDS)
    processes.end([process for process in members if process.is_running()], grace=5)
    processes.end(record.members(), grace=5)  # what was started meanwhile


def judge(part: str, health: Mapping[str, str]) -> str:
    """Return the state by which a part is restarted or not.

    Of the parts that only the api-server knows, nothing is known while it, or the database, does not answer.
    """
    if part in _SEEN_BY_AIRFLOW and (health["airflow"] != HEALTHY or health[POSTGRES] != HEALTHY):
        return HEALTHY
    return health.get(part, HEALTHY)


def _get(url: str) -> dict[str, Any] | None:
    """Return the JSON of a successful response, empty if it holds none; None if the request failed."""
    import urllib3

    try:
        answer = urllib3.request("GET", url, timeout=2, retries=False)
        if answer.status >= 300:
            return None
        return dict(answer.json()) if answer.data.startswith(b"{") else {}
    except (urllib3.exceptions.HTTPError, ValueError):
        return None
