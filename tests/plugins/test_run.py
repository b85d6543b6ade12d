"""A run's days: the day that was named is the day that runs, however the run is started."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction

from include.exceptions import Misconfigured
from include.settings import settings
from millrace.dags.timetable import DayTimetable
from millrace.run import as_of, days, identity, read_from, triggered_by, until

NEW_YORK, DAILY = "America/New_York", "@daily"
EVENING = datetime(2013, 4, 2, 23, 30, tzinfo=UTC)  # 19:30 in New York
MIDNIGHT = datetime(2013, 4, 2, 4, 0, tzinfo=UTC)  # 00:00 in New York
TWO_AM = datetime(2013, 4, 2, 6, 0, tzinfo=UTC)  # 02:00 in New York
DAY_BEFORE = datetime(2013, 4, 1, 4, 0, tzinfo=UTC)
NOON = datetime(2013, 3, 8, 17, 0, tzinfo=UTC)  # 12:00 in New York, before summer time
STARTED = ("manual", "operator_triggered", "asset_triggered", "asset_materialization")
OF_A_SCHEDULE = ("scheduled", "backfill")


def context(
    run_type: str = "manual",
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
        run_type=run_type,
        data_interval_start=start,
        data_interval_end=end,
        logical_date=logical,
        run_after=run_after,
    )
    return {"dag_run": dag_run, "params": params, "ti": SimpleNamespace(try_number=2)}


def of_tick(tick: datetime, run_type: str = "scheduled") -> dict[str, Any]:
    """A run of a schedule, or of a backfill, as Airflow makes it."""
    return context(run_type, interval=(tick, tick), logical=tick, run_after=tick)


def ticks(cron: str, zone: str, *, count: int, since: date | None = None) -> Iterator[datetime]:
    """Yield the times at which Airflow runs a schedule, from a day on; from 2025 on by default."""
    start = datetime.combine(since or date(2025, 1, 1), time(), ZoneInfo(zone))
    timetable, last = DayTimetable(cron, timezone=zone), None
    always = TimeRestriction(earliest=pendulum.instance(start), latest=None, catchup=True)
    for _ in range(count):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=always)
        assert info is not None
        last = info.data_interval
        yield info.run_after


@pytest.mark.parametrize(
    ("made_by", "expected"),
    [
        (of_tick(MIDNIGHT), date(2013, 4, 1)),
        (of_tick(TWO_AM), date(2013, 4, 1)),
        (of_tick(MIDNIGHT, "backfill"), date(2013, 4, 1)),
        (context(logical=EVENING), date(2013, 4, 1)),
        (context(interval=(NOON, NOON), logical=NOON), date(2013, 3, 7)),
        (context(interval=(EVENING, EVENING), logical=NOON), date(2013, 3, 7)),
        (context("operator_triggered", interval=(EVENING, EVENING), logical=NOON), date(2013, 3, 7)),
        (context(run_after=EVENING), date(2013, 4, 1)),
        (context("asset_triggered", run_after=EVENING), date(2013, 4, 1)),
        (context("asset_materialization", run_after=MIDNIGHT), date(2013, 4, 1)),
        (context(run_after=MIDNIGHT.replace(hour=3)), date(2013, 3, 31)),
    ],
    ids=[
        "cron-midnight",
        "cron-2am",
        "backfill",
        "manual-with-date",
        "rest-with-date",
        "command-line-with-date",
        "operator-with-date",
        "rest-without-date",
        "asset",
        "materialized-at-midnight",
        "before-midnight",
    ],
)
def test_a_run_is_for_the_last_local_day_that_is_over(made_by: dict[str, Any], expected: date) -> None:
    assert days(made_by, NEW_YORK, DAILY) == (expected, expected)


def test_a_weekly_run_is_for_every_day_since_the_last_one() -> None:
    assert days(of_tick(MIDNIGHT), NEW_YORK, "0 0 * * TUE") == (date(2013, 3, 26), date(2013, 4, 1))


@pytest.mark.parametrize("run_type", STARTED)
def test_a_data_interval_that_was_given_has_the_days_that_end_in_it(run_type: str) -> None:
    week = (datetime(2013, 3, 8, 5, tzinfo=UTC), datetime(2013, 3, 15, 4, tzinfo=UTC))  # over the change
    made_by = context(run_type, interval=week, logical=EVENING)
    assert days(made_by, NEW_YORK, DAILY) == (date(2013, 3, 8), date(2013, 3, 14))
    assert days(made_by, "Asia/Tokyo", DAILY) == (date(2013, 3, 8), date(2013, 3, 14))
    with pytest.raises(Misconfigured, match=r"start 2013-03-08 to end 2013-03-14 are 7 days, and one run br"):
        days(made_by, NEW_YORK, DAILY, max_days=6)


def test_a_data_interval_in_which_no_day_ends_is_refused() -> None:
    morning = (NOON.replace(hour=6), NOON)
    message = (
        "no day ends in the data interval 2013-03-08 01:00 EST to 2013-03-08 12:00 EST; start a run with"
    )
    with pytest.raises(Misconfigured, match=message):
        days(context(interval=morning, logical=NOON), NEW_YORK, DAILY)


def test_two_days_that_differ_are_refused() -> None:
    made_by = context(interval=(MIDNIGHT, MIDNIGHT), logical=NOON)
    with pytest.raises(Misconfigured, match="start a run with the days as start and end"):
        days(made_by, NEW_YORK, DAILY)


@pytest.mark.parametrize(
    "made_by",
    [
        {"end": "2199-12-31"},
        {"logical": datetime(2199, 12, 31, tzinfo=UTC)},
        {"logical": EVENING, "interval": (EVENING, datetime(2199, 12, 31, tzinfo=UTC))},
        {"run_after": datetime(2199, 12, 31, tzinfo=UTC)},
    ],
    ids=["param", "logical-date", "data-interval", "run-after"],
)
def test_days_to_come_are_refused(made_by: dict[str, Any]) -> None:
    message = r"for days up to 2199-12-\d\d, and in 'America/New_York' it is 20\S+; name days up to today"
    with pytest.raises(Misconfigured, match=message):
        days(context(**made_by), NEW_YORK, None)


def test_today_runs_as_far_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = datetime.now(UTC).date()
    first, last = days(context(end=f"{before}"), "Etc/GMT-14", None)  # where it is today or tomorrow
    assert first == last == before
    today = datetime.now(ZoneInfo("Pacific/Apia")).date()
    days(context(end=f"{today}"), "Pacific/Apia", None)
    assert f"{today} is not over yet" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("made_by", "line"),
    [
        (
            of_tick(TWO_AM),
            "days 2013-04-01..2013-04-01: the day before the schedule's tick: 2013-04-02 02:00 EDT",
        ),
        (
            of_tick(TWO_AM, "backfill"),
            "days 2013-04-01..2013-04-01: the day before the backfilled tick of the schedule: "
            "2013-04-02 02:00 EDT",
        ),
        (
            context(interval=(EVENING, EVENING), logical=NOON),
            "days 2013-03-07..2013-03-07: the day before the run's logical date: 2013-03-08 12:00 EST",
        ),
        (
            context(),
            "days 2013-04-01..2013-04-01: the day before the time of the run, which names no day: "
            "2013-04-02 19:30 EDT",
        ),
        (
            context(interval=(DAY_BEFORE, MIDNIGHT), logical=NOON),
            "days 2013-04-01..2013-04-01: they end in the run's data interval, 2013-04-01 00:00 EDT to "
            "2013-04-02 00:00 EDT",
        ),
        (
            of_tick(TWO_AM, "backfill") | {"params": {"start": "2013-01-01", "end": "2013-01-02"}},
            "days 2013-01-01..2013-01-02: the run's parameters start and end",
        ),
        (context(end="2013-01-01"), "days 2013-01-01..2013-01-01: the run's parameter end"),
    ],
)
def test_the_log_says_which_days_and_why(
    made_by: dict[str, Any], line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    days(made_by, NEW_YORK, DAILY)
    assert caplog.messages == [line]


def test_the_log_of_several_days_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    days(of_tick(TWO_AM), NEW_YORK, "@monthly")
    assert caplog.messages == [
        "days 2013-04-01..2013-04-01: the day before the schedule's tick: 2013-04-02 02:00 EDT"
    ]
    days(of_tick(MIDNIGHT.replace(day=1)), NEW_YORK, "@monthly")
    assert caplog.messages[1] == (
        "days 2013-03-01..2013-03-31: the days since the previous tick, before the schedule's tick: "
        "2013-04-01 00:00 EDT"
    )


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
        "*/60 23 * * *",
    ],
)
def test_the_runs_of_a_schedule_leave_out_no_day_and_load_none_late(cron: str, zone: str) -> None:
    covered: date | None = None
    for moment in ticks(cron, zone, count=500):
        first, last = days(of_tick(moment), zone, cron)
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
    for made_by in (of_tick(MIDNIGHT), of_tick(MIDNIGHT, "backfill"), context(logical=MIDNIGHT), context()):
        first, last = days(made_by, NEW_YORK, "0 0 2 4 *", max_days=30)
        assert (last - first).days in (0, 364)


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


@pytest.mark.parametrize("run_type", OF_A_SCHEDULE)
def test_a_run_of_the_schedule_is_for_its_tick(run_type: str) -> None:
    assert as_of(context(run_type, interval=(DAY_BEFORE, MIDNIGHT), logical=TWO_AM)) == MIDNIGHT


@pytest.mark.parametrize("run_type", STARTED)
def test_a_run_that_was_started_is_for_what_was_named(run_type: str) -> None:
    assert as_of(context(run_type, interval=(DAY_BEFORE, MIDNIGHT), logical=TWO_AM)) == MIDNIGHT
    assert as_of(context(run_type, interval=(EVENING, EVENING), logical=TWO_AM)) == TWO_AM
    assert as_of(context(run_type, logical=TWO_AM)) == TWO_AM
    assert as_of(context(run_type, run_after=EVENING)) == EVENING


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Apia", "UTC"])
@pytest.mark.parametrize("cron", ["@daily", "0 2 * * *", "@weekly", "30 1 * * 3", "@monthly", "0 5 15 * *"])
def test_a_schedule_brings_since_first_and_no_day_before(cron: str, zone: str) -> None:
    since = date(2024, 3, 6)
    found = [
        days(of_tick(moment), zone, cron, since=since) for moment in ticks(cron, zone, count=3, since=since)
    ]
    assert found[0][0] == since
    assert [first for first, _ in found[1:]] == [last + timedelta(days=1) for _, last in found[:-1]]


def test_who_names_days_before_since_gets_them() -> None:
    since = date(2013, 4, 1)
    assert days(context(logical=NOON), NEW_YORK, DAILY, since=since)[0] == date(2013, 3, 7)
    assert days(context(end="2013-03-07"), NEW_YORK, DAILY, since=since)[0] == date(2013, 3, 7)
    assert days(of_tick(MIDNIGHT, "backfill"), NEW_YORK, "0 0 * * TUE", since=since)[0] == date(2013, 3, 26)


@pytest.mark.parametrize(
    ("made_by", "expected"),
    [
        (context(until="2013-02-01", logical=NOON), date(2013, 2, 1)),
        (context(logical=NOON), date(2013, 3, 7)),
        (context("operator_triggered", interval=(EVENING, EVENING), logical=NOON), date(2013, 3, 7)),
        (context(interval=(DAY_BEFORE, MIDNIGHT), logical=EVENING), date(2013, 4, 1)),
        (of_tick(MIDNIGHT, "backfill"), date(2013, 4, 1)),
        (of_tick(MIDNIGHT), None),
        (context(), None),
        (context("asset_triggered"), None),
        (context(logical=EVENING), None),
        (context(logical=EVENING, until=None), None),
    ],
    ids=[
        "param",
        "logical-date",
        "operator",
        "interval",
        "backfill",
        "cron",
        "rest",
        "asset",
        "now",
        "no-param",
    ],
)
def test_a_training_learns_up_to_the_day_that_was_named(
    made_by: dict[str, Any], expected: date | None
) -> None:
    assert until(made_by, NEW_YORK, DAILY) == expected


def test_what_is_learned_from_had_its_labels_when_the_named_day_was_over() -> None:
    month = timedelta(days=30)
    assert until(context(logical=NOON), NEW_YORK, DAILY, month) == date(2013, 2, 6)
    assert until(context(until="2013-03-07"), NEW_YORK, DAILY, month) == date(2013, 3, 7)  # `pin` bounds it


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


WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("run_type", "refresh", "since", "expected"),
    [
        ("scheduled", WEEK, None, date(2013, 3, 25)),
        ("scheduled", WEEK, date(2013, 3, 30), date(2013, 3, 30)),
        ("scheduled", WEEK, date(2013, 4, 1), date(2013, 4, 1)),
        ("scheduled", WEEK, date(2013, 4, 5), date(2013, 4, 1)),
        ("scheduled", None, None, date(2013, 4, 1)),
        ("backfill", WEEK, None, date(2013, 4, 1)),
        *((run_type, WEEK, None, date(2013, 4, 1)) for run_type in STARTED),
    ],
)
def test_only_a_run_of_the_schedule_reads_days_again(
    run_type: str, refresh: timedelta | None, since: date | None, expected: date
) -> None:
    assert read_from(of_tick(TWO_AM, run_type), date(2013, 4, 1), refresh=refresh, since=since) == expected


def test_days_that_are_read_again_are_logged_and_exist(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert read_from(of_tick(TWO_AM), date(1900, 1, 3), refresh=WEEK, since=None) == date(1900, 1, 1)
    assert caplog.messages == ["days 1900-01-01..1900-01-02 are read again: the contract's `refresh`"]


@pytest.mark.parametrize(("user", "expected"), [("ada", "ada"), (None, "")])
def test_who_started_a_run_is_who_airflow_says(user: str | None, expected: str) -> None:
    made_by = context()
    made_by["dag_run"].triggering_user_name = user
    assert triggered_by(made_by) == expected
