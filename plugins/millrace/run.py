"""Facts about a task's run: the time it is for, its days, its identity.

A run's logical date can be missing (REST, asset and manual runs). Use these functions instead of reading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from include.contract.types import check_day, cron_fields
from include.exceptions import Misconfigured
from include.run_identity import RunIdentity
from include.settings import settings


def as_of(context: Mapping[str, Any]) -> datetime:
    """Return the time that a run is for; its data is older.

    This is the end of its data interval, else its logical date, else the time it was due. Cron runs have the
    first, manual runs with a date the second, REST and asset runs the third.
    """
    dag_run = context["dag_run"]
    time: datetime = dag_run.data_interval_end or dag_run.logical_date or dag_run.run_after
    return time


def days(
    context: Mapping[str, Any], timezone: str, cron: str | None, *, max_days: int | None = None
) -> tuple[date, date]:
    """Return the first and the last day that a run is for, both included.

    If the params `start` and `end` are set, these are the days (one alone sets both). Otherwise they are the
    days of `timezone` that ended since the previous tick of `cron`, so that consecutive runs of any schedule
    cover every day; at least the last day that is over. Raises Misconfigured for a day that no pipeline can
    hold, if `start` is after `end`, and if they are more than `max_days` apart.
    """
    params = context["params"]
    start, end = params.get("start") or params.get("end"), params.get("end") or params.get("start")
    if start and end:
        return _checked(_day("start", start), _day("end", end), max_days)
    _day("the run's date", as_of(context).date().isoformat())
    local_time = as_of(context).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    last = local_time.date() - timedelta(days=1)
    return min(last, _previous_tick(local_time, cron).date() if cron else last), last


def identity(context: Mapping[str, Any]) -> RunIdentity:
    """Return the identity of a task's run, which goes on its commits, model versions and decisions."""
    dag_run = context["dag_run"]
    logical_date = dag_run.logical_date
    return RunIdentity(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=context["ti"].try_number,
        logical_date=logical_date.isoformat() if logical_date else "",
        code_version=settings().code_version,
    )


def set_event_extra(context: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Set the `extra` of the asset events that a task emits, for the DAGs that the events start."""
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = dict(extra)


def _previous_tick(tick: datetime, cron: str) -> datetime:
    """Return the tick of a schedule before the one at `tick`, both as local time without a zone."""
    from croniter import croniter

    # A tick in the hour that daylight saving time skips runs up to an hour late.
    previous: datetime = croniter(cron_fields(cron), tick - timedelta(hours=1)).get_prev(datetime)
    return previous


def task_step(context: Mapping[str, Any]) -> str:
    """Return a task's name within its run, with the index of a mapped task; the same for every try."""
    task_id, index = context["task"].task_id, context["ti"].map_index
    return task_id if index < 0 else f"{task_id}[{index}]"


def _day(name: str, text: str) -> date:
    try:
        return check_day(date.fromisoformat(text))
    except ValueError as error:
        raise Misconfigured(f"{name}: {error}") from error


def _checked(first: date, last: date, max_days: int | None) -> tuple[date, date]:
    if last < first:
        raise Misconfigured(f"start {first} is after end {last}; set the earlier day as start")
    if max_days and (count := (last - first).days + 1) > max_days:
        raise Misconfigured(
            f"start {first} to end {last} are {count} days, and one run brings at most {max_days}; "
            "start several runs, or raise source.max_days in pipeline.yaml"
        )
    return first, last
