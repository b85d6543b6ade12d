"""A run's days: the same answer for cron, manual, REST and asset runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable

from include.exceptions import Misconfigured
from include.settings import settings
from millrace.run import as_of, days, identity

NEW_YORK, DAILY = "America/New_York", "@daily"
EVENING = datetime(2013, 4, 2, 23, 30, tzinfo=UTC)  # 19:30 in New York
MIDNIGHT = datetime(2013, 4, 2, 4, 0, tzinfo=UTC)  # 00:00 in New York
TWO_AM = datetime(2013, 4, 2, 6, 0, tzinfo=UTC)  # 02:00 in New York
DAY_BEFORE = datetime(2013, 4, 1, 4, 0, tzinfo=UTC)


def context(
    *,
    interval: tuple[datetime, datetime] | None = None,
    logical: datetime | None = None,
    run_after: datetime = EVENING,
    **params: str | None,
) -> dict[str, Any]:
    start, end = interval or (None, None)
    dag_run = SimpleNamespace(
        dag_id="flights.ingest",
        run_id="r1",
        data_interval_start=start,
        data_interval_end=end,
        logical_date=logical,
        run_after=run_after,
    )
    return {"dag_run": dag_run, "params": params, "ti": SimpleNamespace(try_number=2)}


def ticks(cron: str, zone: str, *, count: int) -> Iterator[datetime]:
    """Yield the times at which Airflow runs a schedule, from 2025 on."""
    timetable, last = CronTriggerTimetable(cron, timezone=zone), None
    always = TimeRestriction(earliest=pendulum.datetime(2025, 1, 1), latest=None, catchup=True)
    for _ in range(count):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=always)
        assert info is not None
        last = info.data_interval
        yield info.run_after


@pytest.mark.parametrize(
    ("made_by", "expected"),
    [
        (context(interval=(DAY_BEFORE, MIDNIGHT), logical=MIDNIGHT), date(2013, 4, 1)),
        (context(interval=(TWO_AM.replace(day=1), TWO_AM), logical=TWO_AM), date(2013, 4, 1)),
        (context(logical=EVENING), date(2013, 4, 1)),
        (context(run_after=EVENING), date(2013, 4, 1)),
        (context(run_after=MIDNIGHT), date(2013, 4, 1)),
        (context(run_after=MIDNIGHT.replace(hour=3)), date(2013, 3, 31)),
    ],
    ids=[
        "cron-midnight",
        "cron-2am",
        "manual-with-date",
        "rest-or-asset",
        "at-midnight",
        "before-midnight",
    ],
)
def test_a_run_is_for_the_last_local_day_that_is_over(made_by: dict[str, Any], expected: date) -> None:
    assert days(made_by, NEW_YORK, DAILY) == (expected, expected)


def test_a_weekly_run_is_for_every_day_since_the_last_one() -> None:
    made_by = context(interval=(MIDNIGHT, MIDNIGHT), logical=MIDNIGHT)
    assert days(made_by, NEW_YORK, "0 0 * * TUE") == (date(2013, 3, 26), date(2013, 4, 1))


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize(
    "cron",
    [
        "@daily",
        "30 2 * * *",
        "0 2 * * 1-5",
        "0 0 1 * *",
        "0 2 * * 1,4",
        "30 2 * * 0",
        "30 1 * * 0",
        "0 */6 * * *",
    ],
)
def test_the_runs_of_a_schedule_leave_out_no_day_and_load_none_late(cron: str, zone: str) -> None:
    covered: date | None = None
    for moment in ticks(cron, zone, count=500):
        first, last = days(context(run_after=moment), zone, cron)
        assert last == moment.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
        assert covered is None or first == covered + timedelta(days=1) or (first, last) == (covered, covered)
        covered = last


def test_params_replace_the_interval() -> None:
    backfill = context(interval=(DAY_BEFORE, MIDNIGHT), start="2013-01-01", end="2013-03-31")
    assert days(backfill, NEW_YORK, DAILY) == (date(2013, 1, 1), date(2013, 3, 31))


@pytest.mark.parametrize("params", [{"start": "2013-01-05"}, {"end": "2013-01-05", "start": None}])
def test_one_param_alone_stands_for_both(params: dict[str, Any]) -> None:
    assert days(context(**params), NEW_YORK, None) == (date(2013, 1, 5), date(2013, 1, 5))


def test_days_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(Misconfigured, match="start 2013-02-01 is after end 2013-01-01"):
        days(context(start="2013-02-01", end="2013-01-01"), NEW_YORK, DAILY)


def test_a_run_of_too_many_days_is_refused() -> None:
    year = context(start="2013-01-01", end="2013-12-31")
    assert days(year, NEW_YORK, None, max_days=365) == (date(2013, 1, 1), date(2013, 12, 31))
    message = "start 2013-01-01 to end 2013-12-31 are 365 days, and one run brings at most 364; start several"
    with pytest.raises(Misconfigured, match=message):
        days(year, NEW_YORK, None, max_days=364)


def test_the_interval_of_a_schedule_may_have_more_days() -> None:
    made_by = context(interval=(MIDNIGHT, MIDNIGHT), logical=MIDNIGHT)
    first, last = days(made_by, NEW_YORK, "0 0 2 4 *", max_days=30)
    assert (last - first).days == 364


@pytest.mark.parametrize(
    ("made_by", "message"),
    [
        (context(start="1899-12-31"), "start: 1899-12-31 is outside of 1900-01-01 to 2199-12-31"),
        (context(end="2200-01-01"), "2200-01-01 is outside of"),
        (context(end="soon"), "Invalid isoformat string: 'soon'"),
        (context(logical=datetime(1, 1, 1, tzinfo=UTC)), "the run's date: 0001-01-01 is outside of"),
        (context(logical=datetime(9999, 12, 31, tzinfo=UTC)), "the run's date: 9999-12-31 is outside of"),
    ],
)
def test_a_day_that_no_pipeline_can_hold_is_refused(made_by: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        days(made_by, NEW_YORK, DAILY)


def test_a_preset_that_only_airflow_knows_has_days() -> None:
    made_by = context(logical=datetime(2013, 4, 1, tzinfo=UTC))
    assert days(made_by, "UTC", "@quarterly") == (date(2013, 1, 1), date(2013, 3, 31))


def test_as_of_prefers_the_interval_then_the_logical_date_then_the_time_to_run() -> None:
    assert as_of(context(interval=(DAY_BEFORE, MIDNIGHT), logical=TWO_AM)) == MIDNIGHT
    assert as_of(context(logical=TWO_AM)) == TWO_AM
    assert as_of(context(run_after=EVENING)) == EVENING


def test_identity_is_the_same_for_every_try_but_for_the_try() -> None:
    first = identity(context(logical=TWO_AM))
    assert (first.key, first.try_number) == ("flights.ingest/r1", 2)
    assert first.short_hash == identity(context()).short_hash
    assert len(first.short_hash) == 8


def test_identity_names_the_code_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_CODE_VERSION", "0123abc")
    settings.cache_clear()
    try:
        assert identity(context()).metadata()["code_version"] == "0123abc"
    finally:
        settings.cache_clear()
