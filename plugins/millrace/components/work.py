"""Detect new work for the scheduler by one small query instead of a whole turn.

A turn of the scheduler is some thirty statements. What it decides follows from the runs and the task
instances that are not over; while those are as they were, one more turn decides nothing. States are compared
rather than messages awaited, which could get lost: after any write that matters, by any process, the row
differs.
"""

from __future__ import annotations

from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, State, TaskInstanceState
from sqlalchemy import Connection, Dialect, Engine, Select, String, cast, func, or_, select, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

_OPEN_RUNS = (DagRunState.RUNNING, DagRunState.QUEUED)
_RUNNING_RUNS = 0  # the place of their count in a row of the query
_OPEN_TASKS = [state for state in State.unfinished if state is not None]
# A task instance passes through these in one turn and in its worker; no step between them needs another turn.
_ON_THE_WAY = (TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED, TaskInstanceState.RUNNING)


class Work:
    """What is not over in Airflow's PostgreSQL database, seen through a connection of its own.

    It reads the open runs and their task instances, and no history.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._seen: tuple[Any, ...] | None = None

    def remember(self) -> bool:
        """Take what is there as seen, and return whether it is new; what is written from now on is."""
        before, self._seen = self._seen, self._read()
        return self._seen != before

    @property
    def running_runs(self) -> int:
        """The number of running runs that was remembered; 0 if the database did not answer."""
        return self._seen[_RUNNING_RUNS] if self._seen else 0

    def is_new(self) -> bool:
        """Return whether the work differs from what was remembered.

        Not if the database does not answer: the scheduler's next turn meets the error, and handles it.
        """
        found = self._read()
        return found is not None and found != self._seen

    def close(self) -> None:
        """Close the connection; it is not given back, as its prepared statement belongs to nobody else."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _read(self) -> tuple[Any, ...] | None:
        try:
            if self._connection is None:
                # No transaction stays open between two looks: it would keep PostgreSQL from cleaning up.
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                # To plan it takes four times as long as to run it.
                self._connection.exec_driver_sql(f"PREPARE {_NAME} AS {_STATEMENT}")
            return tuple(self._connection.exec_driver_sql(f"EXECUTE {_NAME}").one())
        except SQLAlchemyError:
            self.close()
            return None


def _query() -> Select[Any]:
    # One part for each state: PostgreSQL has a partial index of runs for either, and none for both.
    parts = [part(state).subquery() for state in _OPEN_RUNS for part in (_runs, _tasks)]
    query = select(*(column for part in parts for column in part.c)).select_from(parts[0])
    for part in parts[1:]:
        query = query.join(part, true())
    return query


def _runs(state: DagRunState) -> Select[Any]:
    found = (func.count(), func.sum(DagRun.id), func.sum(DagRun.clear_number))
    return _labelled(*found).where(DagRun.state == state)


def _tasks(of: DagRunState) -> Select[Any]:
    is_open = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(_OPEN_TASKS))
    asleep = TaskInstance.state.not_in(_ON_THE_WAY)
    found = (
        func.count(),
        # Which they are: one may end while another is cleared.
        func.sum(func.hashtext(cast(TaskInstance.id, String))),
        # Those that wait for something else, such as a trigger or a retry.
        func.count().filter(asleep),
        func.sum(func.hashtext(cast(TaskInstance.id, String))).filter(asleep),
    )
    in_run = (TaskInstance.dag_id == DagRun.dag_id) & (TaskInstance.run_id == DagRun.run_id)
    return _labelled(*found).select_from(DagRun).join(TaskInstance, in_run).where(DagRun.state == of, is_open)


def _labelled(*aggregates: Any) -> Select[Any]:
    return select(*(aggregate.label(f"of_{place}") for place, aggregate in enumerate(aggregates)))


_NAME = "millrace_work"
_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_STATEMENT = _query().compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
