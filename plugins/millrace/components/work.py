"""Whether there is something new for the scheduler, told by one small query instead of a whole turn.

A turn of the scheduler is some thirty statements. What it decides follows from the runs and the task
instances that are not over; while those are as they were, one more turn decides nothing. States are compared,
and no message is waited for that could get lost: whoever wrote, and whenever, the rows differ.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, State
from sqlalchemy import Connection, Engine, FromClause, Select, extract, func, select, true
from sqlalchemy.exc import SQLAlchemyError

_UNFINISHED = [state for state in State.unfinished if state is not None]


class Work:
    """What is not over in Airflow's database, seen through a connection of its own.

    It reads two indexes and no history. A heartbeat changes `updated_at` too: then one turn is for nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._seen: Hashable = None

    def remember(self) -> None:
        """Take what is there as seen; whatever is written from now on counts as new."""
        self._seen = self._read()

    def is_new(self) -> bool:
        """Return whether the work differs from what was remembered.

        Not if the database does not answer: the scheduler's next turn meets the error, and handles it.
        """
        found = self._read()
        return found is not None and found != self._seen

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _read(self) -> Hashable:
        try:
            if self._connection is None:
                # No transaction stays open between two looks: it would keep PostgreSQL from cleaning up.
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            return tuple(self._connection.execute(_QUERY).one())
        except SQLAlchemyError:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.invalidate()
                connection.close()
            return None


def _query() -> Select[Any]:
    tasks = _summary(
        func.count(),
        # Each row's time counts, not the latest alone: transactions end in another order than they began.
        func.sum(extract("epoch", TaskInstance.updated_at)),
    ).where(TaskInstance.state.in_(_UNFINISHED))
    found = tasks.subquery()
    joined: FromClause = found
    columns = [*found.c]
    # One each: PostgreSQL has a partial index for either state, and none for both.
    for state in (DagRunState.QUEUED, DagRunState.RUNNING):
        runs = _summary(func.count(), func.sum(DagRun.id), func.sum(DagRun.clear_number))
        part = runs.where(DagRun.state == state).subquery()
        joined = joined.join(part, true())
        columns += part.c
    return select(*columns).select_from(joined)


def _summary(*aggregates: Any) -> Select[Any]:
    return select(*(aggregate.label(f"of_{place}") for place, aggregate in enumerate(aggregates)))


_QUERY = _query()
