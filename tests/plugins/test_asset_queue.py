"""Which runs the events of commits start, and what they are handed, by Airflow's own code on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.assets.manager import AssetManager
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models import import_all_models
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.tasklog import LogTemplate
from airflow.sdk import DAG, Asset
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.state import DagRunState
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Session

from include.platform.embedded import postgres
from millrace import asset_queue
from millrace_plugin import MillracePlugin
from tests.support.faults import wait_until
from tests.support.stack import database_folder

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A database with Airflow's tables."""
    import_all_models()
    with database_folder() as above:
        data = above / "postgres"
        engine = create_engine(f"postgresql+psycopg2://postgres@/airflow?host={postgres.start(data)}")
        try:
            _fill(engine)
            yield engine
        finally:
            engine.dispose()
            postgres.stop(data)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Engine]:
    """A database in a file with Airflow's tables, as for a first look."""
    import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path}/airflow.db")
    _fill(engine)
    yield engine
    engine.dispose()


def _fill(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(DagBundleModel(name="dags"))
        session.add(LogTemplate(filename="", elasticsearch_id=""))


@pytest.fixture
def queue() -> Iterator[None]:
    """The queue with what the plugin does to it."""
    MillracePlugin.on_load()
    MillracePlugin.on_load()  # the scheduler's plugins and the task SDK's may be loaded by one process
    yield
    asset_queue.uninstall()


class Consumer:
    """A DAG that an asset of its own schedules, and a scheduler."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        self.engine = engine
        self.dag_id = f"on_{uuid4().hex}"
        self.asset = Asset(f"lakefs://flights/{self.dag_id}")
        dag = LazyDeserializedDAG.from_dag(DAG(self.dag_id, schedule=[self.asset], catchup=False, **options))
        with Session(engine) as session, session.begin():
            SerializedDAG.bulk_write_to_db("dags", None, [dag], session=session)
            SerializedDagModel.write_dag(dag, "dags", session=session)
        self.pause(paused=False)

    def pause(self, *, paused: bool) -> None:
        with Session(self.engine) as session, session.begin():
            session.execute(update(DagModel).where(DagModel.dag_id == self.dag_id).values(is_paused=paused))

    def emit(self, *commits: str, session: Session | None = None, **extra: Any) -> None:
        """Store the events of commits, each in a transaction of its own unless there is one already."""
        for commit in commits:
            if session is None:
                with Session(self.engine) as own, own.begin():
                    self.emit(commit, session=own, **extra)
            else:
                payload = {"repository": "flights", "branch": "main", "commit": commit}
                AssetManager.register_asset_change(
                    asset=session.scalars(select(AssetModel).where(AssetModel.uri == self.asset.uri)).one(),
                    extra=extra or {"from_trigger": True, "payload": payload},
                    session=session,
                )

    def schedule(self, session: Session | None = None) -> None:
        """Take a turn of the scheduler, which ends with a commit unless a transaction is given."""
        if session is None:
            with Session(self.engine) as own, own.begin():
                self.schedule(own)
            return
        runner = SchedulerJobRunner(job=Job(), executors=[])
        dags, triggered = DagModel.dags_needing_dagruns(session)
        chosen = [dag for dag in dags.all() if dag.dag_id == self.dag_id and dag.dag_id in triggered]
        runner._create_dag_runs_asset_triggered(dag_models=chosen, session=session)

    def end_runs(self) -> None:
        with Session(self.engine) as session, session.begin():
            session.execute(update(DagRun).values(state=DagRunState.SUCCESS))

    def handed(self) -> list[list[str]]:
        """Return the commits that each run was handed, by the time of their events; runs in their order."""
        with Session(self.engine) as session:
            runs = session.scalars(select(DagRun).where(DagRun.dag_id == self.dag_id).order_by(DagRun.id))
            return [[_commit(one) for one in _by_time(run.consumed_asset_events)] for run in runs]


def _is_waiting(engine: Engine) -> bool:
    """Return whether a transaction waits for another; each look is a new one, as PostgreSQL answers once."""
    with engine.connect() as watch:
        return watch.exec_driver_sql(WAITING).scalar() == 1


def _by_time(events: list[AssetEvent]) -> list[AssetEvent]:
    return sorted(events, key=lambda event: event.timestamp)


def _commit(event: AssetEvent) -> str:
    return str(event.extra.get("payload", event.extra)["commit"])


def test_airflow_alone_still_leaves_events_behind(engine: Engine) -> None:
    """Airflow whose runs are handed all of them, and that starts one for an unpaused DAG, needs no help."""
    consumer, paused = Consumer(engine), Consumer(engine)  # for whose schedules Airflow loads plugins
    asset_queue.uninstall()
    consumer.emit("1", "2", "3")
    paused.pause(paused=True)
    paused.emit("1")
    paused.pause(paused=False)

    consumer.schedule()
    paused.schedule()

    assert (consumer.handed(), paused.handed()) == ([["1"]], [])


def test_a_run_is_handed_every_commit_up_to_the_newest(engine: Engine, queue: None) -> None:
    consumer = Consumer(engine)
    consumer.emit("1", "2", "3")

    consumer.schedule()
    consumer.schedule()

    assert consumer.handed() == [["1", "2", "3"]]


def test_sqlite_is_kept_right_too(file: Engine, queue: None) -> None:
    consumer = Consumer(file)
    consumer.emit("1", "2")
    consumer.schedule()
    consumer.pause(paused=True)
    consumer.emit("3", "4")
    consumer.pause(paused=False)

    consumer.schedule()

    assert consumer.handed() == [["1", "2"], ["3", "4"]]


def test_mysql_moves_rows_on_and_never_back() -> None:
    event = AssetEvent(asset_id=1, timestamp=datetime(2024, 3, 31, tzinfo=UTC))
    statement = " ".join(str(asset_queue._upsert("mysql", event).compile(dialect=mysql.dialect())).split())
    assert statement.startswith(
        "INSERT INTO asset_dag_run_queue (asset_id, target_dag_id, created_at) SELECT"
    )
    assert "ON DUPLICATE KEY UPDATE created_at = greatest(asset_dag_run_queue.created_at, %s)" in statement


def test_the_webhooks_events_are_commits_too(engine: Engine, queue: None) -> None:
    consumer = Consumer(engine)
    for commit in ("1", "2"):
        consumer.emit(commit, repository="flights", branch="main", commit=commit)

    consumer.schedule()

    assert consumer.handed() == [["1", "2"]]


def test_commits_of_the_time_that_all_runs_were_taken_start_the_next(engine: Engine, queue: None) -> None:
    consumer = Consumer(engine, max_active_runs=1)
    consumer.emit("1")
    consumer.schedule()
    consumer.emit("2", "3", "4")
    consumer.schedule()
    consumer.end_runs()

    consumer.schedule()

    assert consumer.handed() == [["1"], ["2", "3", "4"]]


def test_a_dag_runs_for_the_commits_of_its_pause_when_it_is_unpaused(engine: Engine, queue: None) -> None:
    consumer = Consumer(engine)
    consumer.emit("1")
    consumer.schedule()
    consumer.pause(paused=True)
    consumer.emit("2", "3")
    consumer.schedule()
    assert consumer.handed() == [["1"]]

    consumer.pause(paused=False)
    consumer.schedule()

    assert consumer.handed() == [["1"], ["2", "3"]]


def test_a_commit_that_comes_while_the_scheduler_makes_a_run_starts_another(
    engine: Engine, queue: None
) -> None:
    consumer = Consumer(engine)
    consumer.emit("1")
    with ThreadPoolExecutor() as threads, Session(engine) as session, session.begin():
        consumer.schedule(session)
        storing = threads.submit(consumer.emit, "2")
        with engine.connect() as watch:
            wait_until(lambda: watch.exec_driver_sql(WAITING).scalar() == 1)
        session.commit()
        storing.result()

    consumer.schedule()

    assert consumer.handed() == [["1"], ["2"]]


def test_a_commit_that_is_stored_late_is_handed_over_by_a_run_of_its_own(engine: Engine, queue: None) -> None:
    """Its event has an earlier time than the event whose run was made meanwhile."""
    consumer = Consumer(engine)
    with Session(engine) as late, late.begin():
        consumer.emit("late", session=late)
        with ThreadPoolExecutor() as threads:
            storing = threads.submit(consumer.emit, "next")
            wait_until(lambda: _is_waiting(engine))
            consumer.schedule()
            late.commit()
            storing.result()
    consumer.schedule()

    assert consumer.handed() == [["late", "next"]]


def test_other_events_are_left_to_airflow(engine: Engine, queue: None) -> None:
    consumer = Consumer(engine)
    consumer.pause(paused=True)
    consumer.emit("1", rows=7)

    with Session(engine) as session:
        queued = select(AssetDagRunQueue).where(AssetDagRunQueue.target_dag_id == consumer.dag_id)
        assert session.scalars(queued).all() == []


def test_airflow_with_teams_decides_itself_whose_dags_run(
    engine: Engine, queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    consumer = Consumer(engine)
    consumer.pause(paused=True)
    consumer.emit("1")
    consumer.pause(paused=False)

    consumer.schedule()

    assert consumer.handed() == []
