"""What counts as new work: each change of a run or a task instance, on PostgreSQL with Airflow's two tables.

The tables hold the columns that are read; `test_rest.py` reads those of a running Airflow.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, text

from include.platform.embedded import postgres
from millrace.components.work import Work
from tests.support.stack import database_folder

TABLES = """
CREATE TABLE dag_run (
  id int PRIMARY KEY, dag_id text, run_id text, state text, clear_number int DEFAULT 0
);
CREATE TABLE task_instance (
  id uuid DEFAULT gen_random_uuid(), name text, dag_id text, run_id text, state text
);
INSERT INTO dag_run VALUES (1, 'd', 'one', 'running'), (2, 'd', 'two', 'running'), (3, 'd', 'old', 'failed');
INSERT INTO task_instance (name, dag_id, run_id) VALUES
  ('a', 'd', 'one'), ('b', 'd', 'one'), ('c', 'd', 'two');
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of PostgreSQL."""
    with database_folder() as above:
        data = above / "postgres"
        try:
            yield f"postgresql+psycopg2://postgres@/airflow?host={postgres.start(data)}"
        finally:
            postgres.stop(data)


@pytest.fixture
def database(url: str) -> Iterator[Connection]:
    """A connection to a database with two running runs and an old one."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP TABLE IF EXISTS dag_run, task_instance"))
        connection.execute(text(TABLES))
        yield connection
    engine.dispose()


@pytest.fixture
def work(url: str) -> Iterator[Work]:
    """The work in that database."""
    engine = create_engine(url)
    found = Work(engine)
    yield found
    found.close()
    engine.dispose()


def put(database: Connection, task: str, state: str | None) -> None:
    change = text("UPDATE task_instance SET state = :state WHERE name = :task")
    database.execute(change, {"state": state, "task": task})


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        (None, "scheduled", False),
        ("scheduled", "queued", False),
        ("queued", "running", False),
        ("running", "success", True),
        ("running", "failed", True),
        ("running", "up_for_retry", True),
        ("running", "up_for_reschedule", True),
        ("running", "deferred", True),
        ("running", "restarting", True),
        ("deferred", "scheduled", True),
        ("up_for_retry", "scheduled", True),
        ("success", None, True),
        (None, "skipped", True),
        (None, "upstream_failed", True),
    ],
)
def test_a_step_that_decides_something_is_new(
    database: Connection, work: Work, before: str | None, after: str, new: bool
) -> None:
    put(database, "a", before)
    work.remember()
    assert not work.is_new()

    put(database, "a", after)

    assert work.is_new() is new


def test_a_task_that_ends_while_another_is_cleared_is_new(database: Connection, work: Work) -> None:
    put(database, "a", "running")
    put(database, "c", "success")
    work.remember()

    put(database, "a", "success")
    put(database, "c", None)

    assert work.is_new()


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO dag_run VALUES (4, 'd', 'new', 'queued')",
        "UPDATE dag_run SET state = 'success' WHERE id = 1",
        "UPDATE dag_run SET state = 'queued', clear_number = 1 WHERE id = 3",
        "UPDATE dag_run SET clear_number = 1 WHERE id = 1",
        "DELETE FROM dag_run WHERE id = 2",
    ],
)
def test_a_change_of_a_run_is_new(database: Connection, work: Work, change: str) -> None:
    work.remember()

    database.execute(text(change))

    assert work.is_new()


def test_history_is_not_read(database: Connection, work: Work) -> None:
    work.remember()

    database.execute(text("INSERT INTO task_instance (name, dag_id, run_id) VALUES ('z', 'd', 'old')"))

    assert not work.is_new()


def test_it_reports_whether_it_was_new_and_how_many_runs_there_are(database: Connection, work: Work) -> None:
    assert work.remember()
    assert not work.remember()
    assert work.running_runs == 2


def test_a_connection_that_was_cut_is_made_anew(database: Connection, work: Work) -> None:
    work.remember()
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    database.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))

    assert not work.is_new()  # it does not answer: no work, and no error
    put(database, "a", "success")
    assert work.is_new()


def test_a_database_that_is_gone_is_no_work() -> None:
    work = Work(create_engine("postgresql+psycopg2://postgres@/airflow?host=/nowhere"))

    work.remember()

    assert not work.is_new()
    assert work.running_runs == 0
