"""Old logs, and old rows of a real database of Airflow, are deleted; young ones and those in use stay."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from airflow.utils.db_cleanup import config_dict

from include.exceptions import Unavailable
from include.platform.compose import retention
from include.platform.embedded import postgres
from include.settings import ROOT
from tests.support import lifeline
from tests.support.program import program
from tests.support.stack import database_folder

DAY = 86400
KEPT = 180
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
BIN = Path(sys.executable).parent


def aged(path: Path, days: float) -> Path:
    """Set the modification time of a file or a folder to some days ago, and return it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))
    return path


def left(logs: Path) -> set[str]:
    return {str(path.relative_to(logs)) for path in logs.rglob("*")}


def before(days: float) -> float:
    return time.time() - days * DAY


def let_airflow(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a stand-in for `airflow` on the PATH."""
    program(folder / "bin/airflow", script)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)


def test_old_files_go_with_their_folders_and_young_ones_stay(tmp_path: Path) -> None:
    old = aged(tmp_path / "dag_id=gone/run_id=one/task_id=load/attempt=1.log", 181)
    for folder in list(old.parents)[:3]:
        aged(folder, 181)
    aged(tmp_path / "dag_id=flights/run_id=one/attempt=1.log", 181)
    aged(tmp_path / "dag_id=flights/run_id=one/attempt=2.log", 179)
    aged(tmp_path / "dag_processor/2026-01-01/ingest.py.log", 181)

    retention.clean_logs(tmp_path, before(KEPT))

    assert left(tmp_path) == {
        "dag_id=flights",
        "dag_id=flights/run_id=one",
        "dag_id=flights/run_id=one/attempt=2.log",
        # Changed today: folders that became empty today are deleted tomorrow.
        "dag_processor",
        "dag_processor/2026-01-01",
    }


def test_a_folder_that_waits_for_its_first_file_stays(tmp_path: Path) -> None:
    (tmp_path / "dag_id=new/run_id=new").mkdir(parents=True)
    retention.clean_logs(tmp_path, before(1))
    assert left(tmp_path) == {"dag_id=new", "dag_id=new/run_id=new"}


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    kept = aged(tmp_path / "elsewhere/precious.log", 400)
    (tmp_path / "logs/dag_processor").mkdir(parents=True)
    for link in ("logs/latest", "logs/dag_processor/latest"):
        (tmp_path / link).symlink_to(kept.parent)
    retention.clean_logs(tmp_path / "logs", before(KEPT))
    assert kept.exists()


def test_all_that_airflow_can_clean_is_cleaned_but_what_is_in_use_when_old() -> None:
    # `session` exists only with the FAB auth manager, which this process does not use.
    assert set(retention.TABLES) - {"session"} == set(config_dict) - {"session", "dag", "trigger"}


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    """A cursor of an Airflow database, to which the environment points `airflow`."""
    with database_folder() as folder, pytest.MonkeyPatch.context() as patch:
        socket = postgres.start(folder / "postgres")
        patch.setenv("PATH", str(BIN), prepend=os.pathsep)
        patch.setenv("AIRFLOW_HOME", str(folder / "home"))
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", FAB)
        url = f"postgresql+psycopg2://postgres@/airflow?host={socket}"
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
        try:
            subprocess.run([BIN / "airflow", "db", "migrate"], check=True, capture_output=True)
            with closing(psycopg2.connect(host=socket, user="postgres", dbname="airflow")) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    yield cursor
        finally:
            postgres.stop(folder / "postgres")


def add(database: Any, table: str, **row: object) -> None:
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))


def add_run(database: Any, run_id: str, kind: str, days: int) -> None:
    row = {"dag_id": "flights.ingest", "run_id": run_id, "run_type": kind, "state": "success"}
    database.execute("SELECT now() - make_interval(days => %s)", [days])
    [moment] = database.fetchone()
    add(database, "dag_run", **row, run_after=moment, start_date=moment)
    add(database, "log", event=run_id, dttm=moment)


def names(database: Any, query: str) -> set[str]:
    database.execute(query)
    return {name for (name,) in database.fetchall()}


def test_old_runs_leave_the_database_but_the_last_of_the_schedule(database: Any) -> None:
    rows = {"first": ("scheduled", 300), "last": ("scheduled", 200), "by-hand": ("manual", 190)}
    for run_id, row in (rows | {"young": ("manual", 170)}).items():
        add_run(database, run_id, *row)
    database.execute("CREATE TABLE _airflow_deleted__log__20260101000000 AS SELECT * FROM log")

    retention.clean_database(before(KEPT))

    assert names(database, "SELECT run_id FROM dag_run") == {"last", "young"}
    assert names(database, "SELECT event FROM log WHERE event IN ('first', 'last', 'young')") == {"young"}
    copies = "SELECT tablename FROM pg_tables WHERE tablename LIKE '\\_airflow%'"
    assert names(database, copies) == set()


def test_a_dag_that_was_not_read_for_long_is_still_paused(database: Any) -> None:
    add(database, "dag_bundle", name="dags")
    flags = dict.fromkeys(("is_stale", "has_task_concurrency_limits"), False)
    limits = dict.fromkeys(("max_active_tasks", "max_consecutive_failed_dag_runs"), 1)
    row = {"bundle_name": "dags", "timetable_type": "any", "partition_mapper_info": "{}", **flags, **limits}
    add(database, "dag", dag_id="flights.ingest", is_paused=True, last_parsed_time="2020-01-01", **row)

    retention.clean_database(before(KEPT))

    assert names(database, "SELECT dag_id FROM dag WHERE is_paused") == {"flights.ingest"}


def test_a_database_that_is_away_is_named(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://airflow@127.0.0.1:1/airflow"
    )
    with pytest.raises(Unavailable, match=r"(?s)'airflow db clean' ended with 1: .*port 1 failed") as caught:
        retention.clean_database(before(KEPT))
    assert len(str(caught.value)) < 2100


def test_where_the_database_is_away_the_logs_are_cleaned_and_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    let_airflow(tmp_path, monkeypatch, "echo no such server; exit 1")
    old = aged(tmp_path / "logs/dag_id=one/attempt=1.log", 181)
    retention.begin(mark := tmp_path / "logs" / retention.MARK)

    retention.attempt(KEPT, tmp_path / "logs")

    assert not old.exists()
    assert (
        capfd.readouterr().err
        == "cleaning failed, next attempt in an hour:\n'airflow db clean' ended with 1: no such server\n"
    )
    assert retention.age(mark) >= DAY


def test_what_cannot_be_removed_does_not_keep_the_database_from_being_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    let_airflow(tmp_path, monkeypatch, f'echo "$2" >>{tmp_path}/called')
    retention.attempt(KEPT, tmp_path / "nowhere")
    assert (tmp_path / "called").read_text() == "clean\ndrop-archived\n"
    assert "nowhere" in capfd.readouterr().err


@pytest.mark.parametrize(("days", "due"), [(0.9, False), (1.1, True), (2.1, True)])
def test_a_start_cleans_when_it_is_due_and_is_well_meanwhile(tmp_path: Path, days: float, due: bool) -> None:
    retention.begin(mark := aged(tmp_path / retention.MARK, days))
    assert (retention.age(mark) >= DAY) is due
    assert retention.check(mark) == 0


def test_two_days_without_success_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert retention.check(aged(tmp_path / retention.MARK, 2.5)) == 1
    assert capsys.readouterr().out == "no successful cleaning for 2.5 days; see the log for the reason\n"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "half a year", "", "36501"])
def test_a_wrong_number_of_days_ends_it_with_what_is_allowed(value: str) -> None:
    command = [sys.executable, "-m", "include.platform.compose.retention", value]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    message = f"MILLRACE_KEPT_DAYS={value!r} is not a whole number of days from 1 to 36500; set it in .env\n"
    assert (ended.returncode, ended.stderr) == (1, message)


def start(logs: Path) -> subprocess.Popen[bytes]:
    code = "from pathlib import Path; from include.platform.compose import retention"
    code += f"; retention.run_forever({KEPT}, Path({str(logs)!r}))"
    return lifeline.start([sys.executable, "-c", code], cwd=ROOT)


def wait_for(found: Any) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_while_it_cleans_it_is_small_and_due_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logs := tmp_path / "logs").mkdir()
    let_airflow(tmp_path, monkeypatch, f"touch {tmp_path}/called; exec sleep 60")
    with start(logs) as first:
        wait_for((tmp_path / "called").exists)
        cleaning = psutil.Process(first.pid)
        assert cleaning.memory_info().rss < 24 * 2**20
        for process in (cleaning, *cleaning.children(recursive=True)):
            process.kill()
    let_airflow(tmp_path, monkeypatch, "exit 0")
    with start(logs) as second:
        try:
            wait_for(lambda: retention.age(logs / retention.MARK) < 60)
        finally:
            second.kill()
