"""Queue of the runs that commits start: a run is handed every commit up to the newest.

Airflow queues a DAG by one row for each asset, made by the first event that finds none, and hands the run
that takes the row the events up to the row's time. Events that arrive while the row waits, for the
scheduler's next turn or for `max_active_runs`, do not change it: they stay behind until another event makes
the next row. An event of an asset whose DAG is paused makes no row at all.

So the rows for a commit's event are written here, in the transaction that stores the event and before Airflow
looks for them. They carry the time of the newest event, and wait for a paused DAG until it is unpaused. The
scheduler locks a row before it reads events: either it skips the row until the event is stored, or its run
exists and the row is gone, and a new one is made.

Airflow's issue: https://github.com/apache/airflow/issues/56050. Drop all but the rows of paused DAGs once
Airflow's rows name their events: https://github.com/apache/airflow/pull/70972
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, func, literal, select
from sqlalchemy.orm import Mapper

if TYPE_CHECKING:
    from airflow.models.asset import AssetEvent

_COMMIT_KEYS = {"repository", "branch", "commit"}


def install() -> None:
    """Queue runs for the commits' events that this process stores from now on.

    It listens to the inserts of every table, because only few of the processes that load plugins import
    Airflow's tables.
    """
    if not event.contains(Mapper, "after_insert", _on_insert):
        event.listen(Mapper, "after_insert", _on_insert)


def uninstall() -> None:
    """Leave the queue to Airflow again."""
    if event.contains(Mapper, "after_insert", _on_insert):
        event.remove(Mapper, "after_insert", _on_insert)


def _on_insert(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    if mapper.class_.__name__ == "AssetEvent" and row.partition_key is None and _is_commit(row):
        _queue_runs(connection, row)


def _is_commit(asset_event: AssetEvent) -> bool:
    """Return whether an event comes from the watcher of a branch or from lakeFS's webhook."""
    extra = asset_event.extra or {}
    payload = extra.get("payload", extra)
    return isinstance(payload, dict) and payload.keys() >= _COMMIT_KEYS


def _queue_runs(connection: Connection, asset_event: AssetEvent) -> None:
    from airflow.configuration import conf

    # Airflow then has rules about whose events start whose DAGs, which it applies to the rows that it makes.
    if not conf.getboolean("core", "multi_team"):
        connection.execute(_upsert(connection.dialect.name, asset_event))


def _upsert(dialect: str, asset_event: AssetEvent) -> Any:
    """Return the statement that makes the rows of all DAGs that an event's asset schedules, or moves them on.

    It locks the rows even if they are as late as the event; in order, so that two transactions never wait for
    each other.
    """
    from airflow.models.asset import AssetDagRunQueue, DagScheduleAssetReference
    from airflow.models.dag import DagModel
    from sqlalchemy.dialects import mysql, postgresql, sqlite

    row = AssetDagRunQueue.__table__.c
    time = literal(asset_event.timestamp, row.created_at.type)
    rows = (
        select(DagScheduleAssetReference.asset_id, DagModel.dag_id, time)
        .join(DagModel, DagModel.dag_id == DagScheduleAssetReference.dag_id)
        .where(
            DagScheduleAssetReference.asset_id == asset_event.asset_id,
            DagModel.timetable_partitioned.is_(False),
        )
        .order_by(DagModel.dag_id)
    )
    columns = [row.asset_id, row.target_dag_id, row.created_at]
    if dialect == "mysql":
        insert = mysql.insert(AssetDagRunQueue).from_select(columns, rows)
        return insert.on_duplicate_key_update(created_at=func.greatest(row.created_at, time))
    either = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return (
        either(AssetDagRunQueue)
        .from_select(columns, rows)
        .on_conflict_do_update(
            index_elements=columns[:2], set_={"created_at": time}, where=row.created_at < time
        )
    )
