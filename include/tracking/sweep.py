"""The sweep: close the MLflow runs that nobody works on any more.

A step closes what its own earlier tries left open. A run whose step is never tried again, as its worker was
lost with the last try, would stay RUNNING for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.tracking.owner import Owner
from include.tracking.runs import Experiment, RunLog
from include.tracking.tags import Tag

if TYPE_CHECKING:
    from mlflow.entities import Run

_UNKNOWN_AFTER = timedelta(days=1)
"""A job that a person runs by hand has no run in Airflow, and may work for hours."""


def close_stale(
    experiments: Iterable[Experiment], lives: Callable[[Owner], bool | None], *, now: datetime
) -> list[RunLog]:
    """Close as KILLED each run that is RUNNING and whose owner is over; return the closed runs.

    A run of an unknown owner is closed a day after it began. Runs without a key were made by other programs,
    and are left alone.

    :param lives: whether an Airflow run goes on; None if Airflow does not know it.
    """
    closed = []
    for experiment in experiments:
        for run in list(experiment.running()):
            if Tag.RUN_KEY in run.data.tags and _is_stale(run, lives(Owner.of(run.data.tags)), now):
                run_log = experiment.open_run(run.info.run_id)
                if run_log.run.info.status != "RUNNING":
                    continue  # it ended before its owner did, after the list was made
                run_log.end("KILLED")
                closed.append(run_log)
    return closed


def _is_stale(run: Run, lives: bool | None, now: datetime) -> bool:
    if lives is None:
        return now - datetime.fromtimestamp(run.info.start_time / 1000, UTC) > _UNKNOWN_AFTER
    return not lives
