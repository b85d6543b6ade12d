#!/usr/bin/env bash
# Airflow: a daily DAG with data intervals reads one hour twice in spring, and one hour never in autumn.
#
# Guess: CronTriggerTimetable("0 6 * * *", timezone="Europe/Berlin", interval=timedelta(days=1)) gives
#     intervals that join: each starts where the one before ended, from 6 o'clock to 6 o'clock.
# Seen: An interval starts exactly 24 hours before it ends. The day of the change has 23 or 25: in spring
#     its interval overlaps the one before by an hour, in autumn one hour is in no interval at all, though
#     every run is green. relativedelta(days=1) does not help: the subtraction is done in UTC.
#     CronDataIntervalTimetable joins.
# Versions: apache-airflow-core 3.3.2
# Date: 2026-11-29
# Source: airflow/timetables/trigger.py, next_dagrun_info: next_start_time - self._interval
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    apache-airflow-core==3.3.2

export AIRFLOW_HOME=$scratch/airflow
venv/bin/python -I -W ignore - <<'EOF'
from datetime import timedelta

import pendulum
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from dateutil.relativedelta import relativedelta

DAILY, BERLIN = "0 6 * * *", "Europe/Berlin"
SPRING, AUTUMN = pendulum.datetime(2026, 3, 28, tz=BERLIN), pendulum.datetime(2026, 10, 24, tz=BERLIN)
TIMETABLES = {
    "trigger, timedelta": CronTriggerTimetable(DAILY, timezone=BERLIN, interval=timedelta(days=1)),
    "trigger, relativedelta": CronTriggerTimetable(DAILY, timezone=BERLIN, interval=relativedelta(days=1)),
    "data interval": CronDataIntervalTimetable(DAILY, timezone=BERLIN),
}


def gaps(timetable, since):
    """Return the hours between the end of an interval and the start of the next, for three days."""
    intervals, last = [], None
    for _ in range(4):
        run = timetable.next_dagrun_info(
            last_automated_data_interval=last,
            restriction=TimeRestriction(since, latest=None, catchup=True),
        )
        last = run.data_interval
        intervals.append(last)
    return [(b.start - a.end).total_seconds() / 3600 for a, b in zip(intervals, intervals[1:])]


seen = {name: (gaps(table, SPRING), gaps(table, AUTUMN)) for name, table in TIMETABLES.items()}
for name, (spring, autumn) in seen.items():
    print(f"{name}: hours between intervals in spring {spring}, in autumn {autumn}")
for name in ("trigger, timedelta", "trigger, relativedelta"):
    if [sum(hours) for hours in seen[name]] != [-1, 1]:
        raise SystemExit(f"outdated: other intervals of {name}")
if any(hours != 0 for season in seen["data interval"] for hours in season):
    raise SystemExit("outdated: the intervals of CronDataIntervalTimetable do not join")
EOF
