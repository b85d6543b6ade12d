"""The schedule of the DAGs: a cron whose limits are days of data."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from airflow.sdk.timezone import coerce_datetime, make_naive
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import DateTime

from include.contract.types import LAST_DAY


class DayTimetable(CronTriggerTimetable):
    """A cron whose runs are for the days before each tick, and whose limits are these days.

    Airflow limits a cron by its ticks. A backfill of 20 to 23 June would run the ticks on these days, and so
    bring 19 to 22 June; here it runs those that bring 20 to 23 June. The start date of a DAG is meant in the
    same way: it is the first day that its runs bring.

    Example: `DayTimetable("0 2 * * *", timezone="Europe/Berlin")`.
    """

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the next tick within the limits, or None."""
        earliest, latest = (self._end_of_day(limit) for limit in restriction[:2])
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval,
            restriction=restriction._replace(earliest=earliest, latest=latest and self._get_next(latest)),
        )

    def _end_of_day(self, limit: DateTime | None) -> DateTime | None:
        """Return the last second of the day that a limit means: the next tick is the first that brings it.

        A tick would not do: to align one, Airflow 3.3 goes to the next tick and back, and does not come back
        if the clocks skip that one (`airflow/timetables/_cron.py`).
        """
        if limit is None:
            return None
        day = min(self._day(limit), LAST_DAY)  # Python's last day has none after it
        over = datetime.combine(day + timedelta(days=1), time(), tzinfo=self._timezone)
        return coerce_datetime(over).subtract(seconds=1)

    def _day(self, limit: DateTime) -> date:
        """Return the day that a limit means; a date without a time is midnight in Airflow's default zone."""
        naive: datetime = make_naive(limit)
        return naive.date() if naive.time() == time() else limit.astimezone(self._timezone).date()
