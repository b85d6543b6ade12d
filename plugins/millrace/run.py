"""Facts about a task's run: the days it is for, and its identity.

What a run has depends on who started it: its logical date can be missing, and its data interval can be of
another day. Use these functions instead of reading them; docs/dags.md lists what follows for whom.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from include.contract.types import FIRST_DAY, check_day, cron_fields
from include.contract.windows import labelled_until
from include.exceptions import Misconfigured
from include.run_identity import RunIdentity
from include.settings import settings

_log = logging.getLogger(__name__)

_SCHEDULED, _BACKFILL = "scheduled", "backfill"
"""The types of runs that are for a tick of the schedule; somebody, or an asset, started the others."""

_DAY = timedelta(days=1)


class _Days(NamedTuple):
    first: date
    last: date
    reason: str


def as_of(context: Mapping[str, Any]) -> datetime:
    """Return the time that a run is for; its data is older.

    This is the tick of a run of the schedule or of a backfill. For a run that was started it is the end of
    the data interval that was given, else the logical date, else the time at which the run was due.
    """
    run = context["dag_run"]
    by_interval = _has_tick(run) or _given_interval(run)
    time: datetime = (run.data_interval_end if by_interval else None) or run.logical_date or run.run_after
    return time


def days(
    context: Mapping[str, Any],
    timezone: str,
    cron: str | None,
    *,
    max_days: int | None = None,
    since: date | None = None,
) -> tuple[date, date]:
    """Return the first and the last day that a run is for, both included, and log them with the reason.

    If the params `start` and `end` are set, these are the days (one alone sets both). If the run was started
    with a data interval, they are the days of `timezone` that end in it. Otherwise they are the days that
    ended since the tick of `cron` before `as_of`, so that consecutive runs of any schedule cover every day,
    none of them before `since`; at least the last day that is over.

    Raises Misconfigured for a day that no pipeline can hold or that is to come, if `start` is after `end`, if
    more than `max_days` days were named, and if the run names two times that differ.
    """
    run, zone = context["dag_run"], ZoneInfo(timezone)
    found = _of_params(context["params"]) or _of_interval(run, zone)
    if found:
        _check_order(found.first, found.last, max_days)
    else:
        found = _since_previous_tick(context, zone, cron)
        if since and run.run_type == _SCHEDULED:
            found = found._replace(first=min(found.last, max(found.first, since)))
    if not _has_tick(run):
        found = _not_to_come(found, zone)
    _log.info("days %s..%s: %s", *found)
    return found.first, found.last


def read_from(
    context: Mapping[str, Any], first: date, *, refresh: timedelta | None, since: date | None
) -> date:
    """Return the day from which a run reads: its `first` day, or up to `refresh` before it, and log which.

    Only a run of the schedule reads days of earlier runs again, none of them before `since`; who names days
    gets these days.
    """
    if not refresh or context["dag_run"].run_type != _SCHEDULED:
        return first
    read_first = min(first, max(first - refresh, since or FIRST_DAY))
    if read_first < first:
        _log.info("days %s..%s are read again: the contract's `refresh`", read_first, first - _DAY)
    return read_first


def until(
    context: Mapping[str, Any], timezone: str, cron: str | None, label_delay: timedelta = _DAY
) -> date | None:
    """Return the last day that a training may learn from; None if nobody named one, and log the reason.

    This is the param `until`. Otherwise a run names the last of its `days` if it belongs to a backfill, was
    started with a data interval, or has a logical date on another day than the one on which it was due: then
    it learns from days whose labels were known when that day was over, by `label_delay`.
    """
    if text := context["params"].get("until"):
        _log.info("learns up to %s: the run's parameter until", text)
        return _day("until", text)
    run, zone = context["dag_run"], ZoneInfo(timezone)
    other_day = _date(as_of(context), zone) != _date(run.run_after, zone)
    if run.run_type == _BACKFILL or _given_interval(run) or other_day:  # a run of cron meets none of these
        return labelled_until(days(context, timezone, cron)[1], label_delay)
    _log.info("learns up to the newest partition with labels: the run names no day")
    return None


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


def triggered_by(context: Mapping[str, Any]) -> str:
    """Return the name of the user who started a run, as Airflow keeps it; empty if it names nobody."""
    return context["dag_run"].triggering_user_name or ""


def set_event_extra(context: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Set the `extra` of the asset events that a task emits, for the DAGs that the events start."""
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = dict(extra)


def task_step(context: Mapping[str, Any]) -> str:
    """Return a task's name within its run, with the index of a mapped task; the same for every try."""
    task_id, index = context["task"].task_id, context["ti"].map_index
    return task_id if index < 0 else f"{task_id}[{index}]"


def _has_tick(run: Any) -> bool:
    return run.run_type in (_SCHEDULED, _BACKFILL)


def _given_interval(run: Any) -> tuple[datetime, datetime] | None:
    """Return the data interval that a run was started with, if there was one.

    Without one Airflow makes one of no length, at the logical date (REST) or at the time at which the run was
    due, beside the logical date (command line, TriggerDagRunOperator: apache/airflow#54119).
    """
    start, end = run.data_interval_start, run.data_interval_end
    if _has_tick(run) or not (start and end):
        return None
    if start == end and run.logical_date and end not in (run.logical_date, run.run_after):
        raise Misconfigured(
            f"the run's logical date is {run.logical_date}, and its data interval is {end} only; "
            "start a run with the days as start and end"
        )
    return (start, end) if start < end else None


def _of_params(params: Mapping[str, Any]) -> _Days | None:
    given = {name: params[name] for name in ("start", "end") if params.get(name)}
    found = [_day(name, text) for name, text in given.items()]
    if not found:
        return None
    return _Days(found[0], found[-1], f"the run's parameter{'s' * (len(given) > 1)} {' and '.join(given)}")


def _of_interval(run: Any, zone: ZoneInfo) -> _Days | None:
    interval = _given_interval(run)
    if not interval:
        return None
    first, end = (_date(time, zone) for time in interval)
    shown = " to ".join(_shown(time, zone) for time in interval)
    if first == end:
        raise Misconfigured(
            f"no day ends in the data interval {shown}; start a run with the days as start and end"
        )
    return _Days(first, end - _DAY, f"they end in the run's data interval, {shown}")


def _since_previous_tick(context: Mapping[str, Any], zone: ZoneInfo, cron: str | None) -> _Days:
    run, time = context["dag_run"], as_of(context)
    last = _date(time, zone) - _DAY
    local_time = time.astimezone(zone).replace(tzinfo=None)
    first = min(last, _previous_tick(local_time, cron).date()) if cron else last
    if _has_tick(run):
        what = "the schedule's tick" if run.run_type == _SCHEDULED else "the backfilled tick of the schedule"
    else:
        what = "the run's logical date" if run.logical_date else "the time of the run, which names no day"
    before = "the day before" if first == last else "the days since the previous tick, before"
    return _Days(first, last, f"{before} {what}: {_shown(time, zone)}")


def _previous_tick(tick: datetime, cron: str) -> datetime:
    """Return the tick of a schedule before the one at `tick`, both as local time without a zone."""
    from croniter import croniter

    # A tick in the hour that daylight saving time skips runs up to an hour late.
    previous: datetime = croniter(cron_fields(cron), tick - timedelta(hours=1)).get_prev(datetime)
    return previous


def _not_to_come(found: _Days, zone: ZoneInfo) -> _Days:
    today = datetime.now(zone).date()
    if found.last > today:
        raise Misconfigured(
            f"the run is for days up to {found.last}, and in {zone.key!r} it is {today}; "
            "name days up to today"
        )
    return found._replace(reason=f"{found.reason}; {today} is not over yet") if found.last == today else found


def _date(time: datetime, zone: ZoneInfo) -> date:
    """Return the day of a time in a zone; raises Misconfigured if no pipeline can hold it."""
    _day("the run's date", time.date().isoformat())
    return time.astimezone(zone).date()


def _shown(time: datetime, zone: ZoneInfo) -> str:
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _day(name: str, text: str) -> date:
    try:
        return check_day(date.fromisoformat(text))
    except ValueError as error:
        raise Misconfigured(f"{name}: {error}") from error


def _check_order(first: date, last: date, max_days: int | None) -> None:
    if last < first:
        raise Misconfigured(f"start {first} is after end {last}; set the earlier day as start")
    if max_days and (count := (last - first).days + 1) > max_days:
        raise Misconfigured(
            f"start {first} to end {last} are {count} days, and one run brings at most {max_days}; "
            "start several runs, or raise source.max_days in pipeline.yaml"
        )
