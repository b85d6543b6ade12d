"""What a task knows of its run: when it is for, who it is.

A run's logical date may be missing (REST, asset and manual runs), so nothing else reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from include.exceptions import Misconfigured
from include.run_identity import RunIdentity
from include.settings import settings


def as_of(context: Mapping[str, Any]) -> datetime:
    """The moment that a run looks back from.

    The end of its data interval; else its logical date; else when it was to run. Cron runs have the
    first, manual runs with a date the second, REST and asset runs the third.
    """
    dag_run = context["dag_run"]
    moment: datetime = dag_run.data_interval_end or dag_run.logical_date or dag_run.run_after
    return moment


def days(context: Mapping[str, Any], timezone: str, cron: str | None) -> tuple[date, date]:
    """The first and the last day that a run is for, both included.

    The params `start` and `end` if given (one alone stands for both); else the local days that ended since
    the schedule's tick before this one, so that the runs of any schedule leave out no day; at least the
    last local day that is over.
    """
    params = context["params"]
    start, end = params.get("start") or params.get("end"), params.get("end") or params.get("start")
    if start and end:
        return _ordered(date.fromisoformat(start), date.fromisoformat(end))
    moment = as_of(context).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    last = moment.date() - timedelta(days=1)
    return min(last, _tick_before(moment, cron).date() if cron else last), last


def identity(context: Mapping[str, Any]) -> RunIdentity:
    """The run behind a task, to be named on commits, versions and decisions."""
    dag_run = context["dag_run"]
    logical = dag_run.logical_date
    return RunIdentity(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=context["ti"].try_number,
        logical_date=logical.isoformat() if logical else "",
        code_version=settings().code_version,
    )


def set_event_extra(context: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Let the events of the assets that the task updates carry some facts, for the DAGs they start."""
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = dict(facts)


def _tick_before(moment: datetime, cron: str) -> datetime:
    """The tick before the one at a moment, in local time."""
    from croniter import croniter

    # A tick in the hour that daylight saving skips runs up to an hour after the time it is written for.
    found: datetime = croniter(cron, moment - timedelta(hours=1)).get_prev(datetime)
    return found


def step(context: Mapping[str, Any]) -> str:
    """A task's name within its run, the same for every try; of a mapped task with its index."""
    task_id, index = context["task"].task_id, context["ti"].map_index
    return task_id if index < 0 else f"{task_id}[{index}]"


def _ordered(first: date, last: date) -> tuple[date, date]:
    if last < first:
        raise Misconfigured(f"start {first} is after end {last}; give the earlier day as start")
    return first, last
