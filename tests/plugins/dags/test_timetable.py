"""The schedule of the DAGs: what Airflow makes of its limits, which are days of data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable

from millrace.dags.timetable import DayTimetable
from millrace.run import days

FIRST, LAST = datetime(2024, 6, 20, tzinfo=UTC), datetime(2024, 6, 23, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Asia/Tokyo", "Pacific/Apia")


def stored(cron: str, zone: str) -> Any:
    """A DAG as the scheduler reads it from its database."""
    dag = DAG("one", schedule=DayTimetable(cron, timezone=zone))
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def backfilled(cron: str, zone: str, first: datetime, last: datetime) -> Iterator[tuple[date, date]]:
    """The days of each run of a backfill, by what Airflow makes one of."""
    for info in stored(cron, zone).iter_dagrun_infos_between(first, last):
        start, end = info.data_interval
        run = SimpleNamespace(
            run_type="backfill",
            data_interval_start=start,
            data_interval_end=end,
            logical_date=info.logical_date,
            run_after=info.run_after,
        )
        yield days({"dag_run": run, "params": {}}, zone, cron)


def each(first: date, last: date) -> list[tuple[date, date]]:
    found = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [(one, one) for one in found]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", ["@daily", "0 2 * * *", "59 23 * * *"])
def test_a_backfill_brings_the_days_that_it_names(cron: str, zone: str) -> None:
    assert list(backfilled(cron, zone, FIRST, LAST)) == each(FIRST.date(), LAST.date())
    assert list(backfilled(cron, zone, LAST, LAST)) == each(LAST.date(), LAST.date())


def test_a_limit_with_a_time_is_a_day_where_the_source_is() -> None:
    evening = datetime(2024, 6, 21, 1, tzinfo=UTC)  # the 20th in New York
    assert list(backfilled("@daily", "America/New_York", evening, evening)) == each(
        FIRST.date(), FIRST.date()
    )


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", date(2024, 3, 31)),
        ("Europe/Berlin", date(2024, 10, 27)),
        ("Asia/Beirut", date(2024, 3, 31)),
    ],
)
@pytest.mark.parametrize("cron", ["@daily", "30 2 * * *", "30 0 * * *"])
def test_a_backfill_over_a_change_of_the_clocks_leaves_out_no_day(cron: str, zone: str, day: date) -> None:
    first, last = day - timedelta(days=2), day + timedelta(days=2)
    limits = (datetime(one.year, one.month, one.day, tzinfo=UTC) for one in (first, last))
    assert list(backfilled(cron, zone, *limits)) == each(first, last)


def test_a_backfill_of_another_schedule_brings_every_run_that_has_one_of_the_days() -> None:
    found = list(backfilled("0 0 * * MON", "UTC", FIRST, LAST + timedelta(days=1)))
    assert found == [(date(2024, 6, 17), date(2024, 6, 23)), (date(2024, 6, 24), date(2024, 6, 30))]


def test_a_backfill_to_the_end_of_time_has_an_end() -> None:
    *_, last = stored("@yearly", "UTC").iter_dagrun_infos_between(FIRST, datetime(9999, 12, 31, tzinfo=UTC))
    assert last.run_after == datetime(2200, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("catchup", [True, False])
def test_without_limits_it_is_airflows_own(catchup: bool) -> None:
    last = DataInterval.exact(pendulum.datetime(2024, 6, 20, 2))
    always = TimeRestriction(None, None, catchup)
    ours, theirs = (
        kind("0 2 * * *", timezone="UTC").next_dagrun_info(
            last_automated_data_interval=last, restriction=always
        )
        for kind in (DayTimetable, CronTriggerTimetable)
    )
    assert ours is not None
    assert ours == theirs
