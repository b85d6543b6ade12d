"""The embedded stack with real processes, ports and crashes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from include.exceptions import Absent, Misconfigured, Unauthorized, Unavailable
from include.platform.demo.airflow import Airflow, RunFailed
from include.platform.embedded import mlflow_login, postgres, processes, stack_secrets
from include.platform.embedded.doctor import examine
from include.platform.embedded.environment import urls
from include.platform.embedded.stack import PARTS, Stack
from include.platform.embedded.stack_secrets import USER, WORKER
from include.platform.embedded.status import statuses
from include.settings import ROOT
from tests.support.dags import dag_bag
from tests.support.faults import SOON, command, state, wait_until
from tests.support.stack import RunningStack, changed, run_stack, settings_in

HEALTHY = dict.fromkeys(PARTS, "healthy")


def status_of(url: str, login: str = "") -> int:
    """Return the status of an answer, with a login as `user:password`."""
    headers = urllib3.make_headers(basic_auth=login) if login else {}
    return urllib3.request("GET", url, headers=headers, retries=False).status


def quiet(text: str) -> None:
    """Print nothing."""


@pytest.fixture(scope="module")
def running() -> Iterator[RunningStack]:
    """One stack for all tests: a start takes as long as most of them together."""
    with run_stack() as stack:
        yield stack


@pytest.fixture
def doomed(running: RunningStack) -> RunningStack:
    """The same stack for the tests that kill it, which come last in this file."""
    return running


@pytest.mark.stack
def test_every_part_is_healthy(running: RunningStack) -> None:
    assert running.stack.health() == HEALTHY


@pytest.mark.stack
def test_every_dag_is_there_without_an_import_error(running: RunningStack) -> None:
    for dag_id in dag_bag().dags:
        running.airflow.wait_for_dag(dag_id)

    assert running.airflow._api("ImportErrorApi").get_import_errors().import_errors == []


@pytest.mark.stack
def test_it_listens_on_loopback_only(running: RunningStack) -> None:
    settings = running.settings
    assert running.listening() == {
        ("127.0.0.1", port) for port in (settings.airflow.port, settings.mlflow.port, settings.lakefs.port)
    }


@pytest.mark.stack
def test_mlflow_answers_nobody_without_a_login(running: RunningStack) -> None:
    url = f"{urls(running.settings)['mlflow']}/api/2.0/mlflow/experiments/get?experiment_id=0"

    assert status_of(url) == 401
    assert status_of(url, f"{WORKER}:wrong") == 401
    assert status_of(url, f"{WORKER}:{running.secrets.mlflow_password}") == 200
    assert status_of(url, f"{USER}:{running.secrets.airflow_password}") == 200


@pytest.mark.stack
def test_only_a_person_may_manage_the_users_of_mlflow(running: RunningStack) -> None:
    url = f"{urls(running.settings)['mlflow']}/api/2.0/mlflow/users/get?username={USER}"

    assert status_of(url, f"{WORKER}:{running.secrets.mlflow_password}") == 403
    assert status_of(url, f"{USER}:{running.secrets.airflow_password}") == 200


@contextmanager
def mlflow_users(running: RunningStack) -> Iterator[Callable[[], str]]:
    """Yield what makes the users as `make up` does, each time in one process: its imports take seconds.

    It returns why it failed, as one line; nothing if it did not.
    """
    code = (
        "import sys\n"
        f"from {mlflow_login.__name__} import main\n"
        "for _ in sys.stdin:\n"
        "    try:\n"
        "        main()\n"
        "        print('', flush=True)\n"
        "    except Exception as error:\n"
        "        print(' '.join(str(error).split()), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=running.stack.variables(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        tell, told = process.stdin, process.stdout

        def make_users() -> str:
            tell.write("\n")
            tell.flush()
            line = told.readline()
            assert line.endswith("\n")  # else it has ended
            return line.rstrip("\n")

        yield make_users
        tell.close()


@pytest.mark.stack
def test_the_users_of_mlflow_get_the_passwords_of_now(running: RunningStack) -> None:
    url = f"{urls(running.settings)['mlflow']}/api/2.0/mlflow/users/current"
    file = stack_secrets.password_file(running.settings.var)
    before = file.read_text()

    with mlflow_users(running) as make_users:

        def give(password: str) -> str:
            file.write_text(json.dumps({USER: password}))
            return make_users()

        try:
            assert give("another password, later") == ""
            assert status_of(url, f"{USER}:another password, later") == 200
            refused = give("short")
            assert refused.startswith("MLflow refuses the password of 'admin': ")
            assert refused.endswith(f"12 characters; write another one into {file}")
        finally:
            assert give(json.loads(before)[USER]) == ""
            file.write_text(before)


@pytest.mark.stack
def test_idle_it_takes_less_than_two_and_a_half_gibibytes(running: RunningStack) -> None:
    assert 2**28 < processes.memory(running.processes()) < 2.5 * 2**30


@pytest.mark.stack
def test_two_further_ups_at_once_change_nothing(running: RunningStack) -> None:
    before = running.stack.record()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(running.stack.up, [quiet, quiet]))

    assert before is not None
    assert running.stack.record() == before


@pytest.mark.stack
def test_the_status_of_each_part_has_its_start_and_its_memory(running: RunningStack) -> None:
    found = {row.part: row for row in statuses(running.stack)}

    assert list(found) == [*PARTS, "keeper", "supervisor"]
    assert {row.state for row in found.values()} == {"healthy"}
    assert all(time.time() - 3600 < row.since < time.time() for row in found.values())
    assert all(2**20 < row.memory < 2**30 for row in found.values())
    assert [row.part for row in found.values() if not row.log.is_file()] == []


@pytest.mark.stack
def test_the_doctor_finds_no_fault(running: RunningStack) -> None:
    assert [finding for finding in examine(running.stack) if finding.remedy] == []


@pytest.mark.stack
def test_airflows_cli_works_on_the_stack(running: RunningStack) -> None:
    running.airflow.wait_for_dag("flights.train")
    ended = subprocess.run(
        [sys.executable, "-m", "include.platform.embedded", "airflow", "dags", "details", "flights.train"],
        env={**os.environ, **running.settings.variables()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "flights.train" in ended.stdout) == (0, True), ended.stderr


def test_airflows_cli_needs_a_stack_that_runs(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="run `make up` first"):
        Stack(settings_in(tmp_path)).variables()


@pytest.mark.stack
def test_only_its_user_may_enter_its_folder(running: RunningStack) -> None:
    # Root's PostgreSQL runs as another user, which has to pass through.
    assert running.settings.var.stat().st_mode & 0o077 in ((0o000, 0o001) if os.geteuid() == 0 else (0o000,))


@pytest.mark.stack
def test_an_up_on_other_ports_says_so_at_once(running: RunningStack) -> None:
    moved = changed(running.settings, mlflow={"port": running.settings.mlflow.port + 1})

    with pytest.raises(Misconfigured, match=r"the stack runs on the ports .*run `make down` first"):
        Stack(moved).up(quiet)


@pytest.mark.stack
def test_secrets_are_their_owners_and_in_no_log_and_no_command_line(running: RunningStack) -> None:
    files = [*(running.settings.var / "secrets").iterdir()]
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in files} == {
        "airflow.json": "0o600",
        "stack.json": "0o600",
    }

    var = running.settings.var
    logs = [file for folder in ("log", "airflow") for file in (var / folder).rglob("*") if file.is_file()]
    assert running.stack.log_of("airflow") in logs
    shown = "\n".join(
        [file.read_text(errors="replace") for file in [*logs, running.stack.database / "log"]]
        + [command(process) for process in running.processes()]
    )
    assert [value for value in astuple(running.secrets) if value in shown] == []


@pytest.mark.stack
@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/dags/flights.train/dagRuns", "/api/v2/variables"])
def test_airflow_answers_nobody_without_a_token(running: RunningStack, path: str) -> None:
    answers = [
        urllib3.request("GET", running.airflow.url + path, headers=headers).status
        for headers in ({}, {"Authorization": "Bearer nonsense"})
    ]

    assert answers[0] == 401
    assert answers[1] in (401, 403)


@pytest.mark.stack
def test_a_wrong_password_is_refused(running: RunningStack) -> None:
    with pytest.raises(Unauthorized, match="refused user 'admin'"):
        Airflow(running.airflow.url, "admin", "wrong").state("flights.train", "any")


@pytest.mark.stack
@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("flights.ingest", {"start": "yesterday"}),
        ("flights.ingest", {"start": "2013-02-30"}),
        ("flights.ingest", {"end": 20130101}),
        ("flights.train", {"reason": "x"}),
        ("flights.train", {"reason": "x" * 501}),
        ("flights.train", {"reason": None}),
        ("flights.train", {"until": "2013-01"}),
        ("flights.train", {"params": ["seed", 7]}),
        ("flights.train", {"ref": ""}),
        ("flights.train", {"reason": "two\nlines"}),
        ("flights.train", {"until": "0001-01-01"}),
    ],
)
def test_bad_params_are_refused_and_start_nothing(
    running: RunningStack, dag_id: str, conf: dict[str, Any]
) -> None:
    running.airflow.wait_for_dag(dag_id)

    with pytest.raises(RunFailed, match=r"did not start 'bad': 4\d\d"):
        running.airflow.start(dag_id, "bad", conf)

    with pytest.raises(Absent):
        running.airflow.state(dag_id, "bad")


@pytest.mark.parametrize(
    "variable", ["MILLRACE_AIRFLOW_PORT", "MILLRACE_MLFLOW_PORT", "MILLRACE_LAKEFS_PORT"]
)
def test_a_taken_port_is_named_with_its_owner_and_its_variable(tmp_path: Path, variable: str) -> None:
    stack = Stack(settings_in(tmp_path))
    port = int(stack.settings.variables()[variable])

    with socket.create_server(("127.0.0.1", port)), pytest.raises(Misconfigured) as caught:
        stack.up(quiet)

    assert re.search(rf"port {port} .*process {os.getpid()}\b.*set {variable}", str(caught.value))
    assert stack.record() is None


def test_equal_ports_are_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    stack = Stack(changed(settings, mlflow={"port": settings.airflow.port}))

    with pytest.raises(
        Misconfigured,
        match="MILLRACE_AIRFLOW_PORT, MILLRACE_MLFLOW_PORT, MILLRACE_LAKEFS_PORT have to differ",
    ):
        stack.up(quiet)


def test_down_is_fine_where_nothing_runs(tmp_path: Path) -> None:
    Stack(settings_in(tmp_path)).down(quiet)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def head(stack: Stack, part: str) -> psutil.Process:
    """Return the first process of a part."""
    pid = postgres.pid(stack.database) if part == "postgres" else stack.supervisor.parts()[part].pid
    assert pid
    return psutil.Process(pid)


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_parts_that_are_killed_are_started_again_and_a_run_goes_on(doomed: RunningStack) -> None:
    stack, run = doomed.stack, ("flights.ingest", "under-fire")
    doomed.airflow.wait_for_dag(run[0])
    doomed.airflow.start(*run, {"start": "2013-01-01", "end": "2013-01-05"})
    wait_until(lambda: state(doomed, *run, "load") == "running", every=SOON)
    supervised = (*(part for part in PARTS if part != "postgres"), "keeper")
    killed = {part: head(stack, part) for part in (*supervised, "postgres")}

    for process in killed.values():
        process.kill()

    wait_until(lambda: all(not process.is_running() for process in killed.values()))
    wait_until(lambda: stack.health() == HEALTHY, 300)
    assert all(head(stack, part).pid != process.pid for part, process in killed.items())
    doomed.airflow.finish(*run)
    lake = doomed.lake("flights")
    assert len(list(lake.list_objects("main", "departures/dt=2013-01-"))) == 5
    deaths = {row.part: row.deaths for row in statuses(stack)}
    assert deaths["supervisor"] == 0
    assert all(deaths[part] >= 1 for part in ("lake", "airflow", "scheduler"))


@pytest.mark.stack
def test_an_up_starts_a_part_that_is_stopped(doomed: RunningStack) -> None:
    others = {part: head(doomed.stack, part) for part in PARTS if part != "lake"}
    doomed.stack.supervisor.stop("lake")
    assert {row.part: row.state for row in statuses(doomed.stack)}["lake"] == "is stopped"

    doomed.stack.up(quiet)

    assert doomed.stack.health() == HEALTHY
    assert {part: head(doomed.stack, part) for part in others} == others


@pytest.mark.stack
def test_an_up_restarts_a_part_that_does_not_answer(
    doomed: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.platform.embedded.stack.WARM_UP_SECONDS", 0)
    wait_until(lambda: doomed.stack.supervisor.parts()["lake"].is_running)
    lake = head(doomed.stack, "lake")
    lake.suspend()
    shown: list[str] = []

    doomed.stack.up(shown.append)

    assert "restarting lake, which does not answer" in shown
    assert not lake.is_running()


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_a_supervisor_that_is_killed_is_replaced(doomed: RunningStack) -> None:
    before = doomed.stack.record()
    assert before is not None
    members = before.members()

    psutil.Process(before.supervisor).kill()

    wait_until(lambda: doomed.stack.record() != before, 120)
    wait_until(lambda: doomed.stack.health() == HEALTHY, 300)
    assert psutil.wait_procs(members, timeout=5)[1] == []  # zombies that init has not reaped yet
    doomed.stack.up(quiet)  # it waits for the process that starts the stack again


@pytest.mark.stack
@pytest.mark.soak  # on a whole stack; tests/platform/embedded/test_supervisor.py has it with small parts
@pytest.mark.timeout(600)
def test_an_up_ends_a_supervisor_whose_own_up_was_killed_before_it_could_note_it(
    doomed: RunningStack,
) -> None:
    before = doomed.stack.record()
    assert before is not None
    doomed.stack._record_file.unlink()

    doomed.stack.up(quiet)

    after = doomed.stack.record()
    assert after is not None
    assert after.supervisor != before.supervisor
    assert before.members() == []
    assert doomed.stack.health() == HEALTHY


@pytest.mark.stack
def test_a_power_cut_loses_nothing(doomed: RunningStack, tmp_path: Path) -> None:
    lake, airflow = doomed.lake("flights"), doomed.airflow
    (tmp_path / "kept").write_bytes(b"kept")
    lake.upload("main", "kept", tmp_path / "kept")
    commit = lake.commit("main", "keep this", {})
    airflow.wait_for_dag("flights.train")
    airflow._api("DAGApi").patch_dag("flights.train", {"is_paused": True})
    airflow.start("flights.train", "kept")

    members = doomed.processes()
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(members, timeout=10)
    doomed.stack.up(quiet)

    assert doomed.stack.health() == HEALTHY
    assert lake.download("main", "kept") == b"kept"
    assert lake.resolve("main") == commit
    assert airflow.state("flights.train", "kept") == "queued"


@pytest.mark.stack
def test_down_leaves_no_process_no_socket_and_no_lock(doomed: RunningStack) -> None:
    ports = [doomed.settings.airflow.port, doomed.settings.mlflow.port, doomed.settings.lakefs.port]
    members = doomed.processes()
    assert len(members) > len(PARTS)

    doomed.stack.down(quiet)

    _, left = psutil.wait_procs(members, timeout=5)  # zombies that init has not reaped yet
    assert left == []
    assert doomed.processes() == []
    assert [path.name for path in doomed.settings.var.rglob("*") if path.is_socket()] == []
    assert list((doomed.settings.var / "run").iterdir()) == []
    assert postgres.pid(doomed.stack.database) is None
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
