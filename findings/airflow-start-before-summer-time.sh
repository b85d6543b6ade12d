#!/usr/bin/env bash
# Airflow: a daily cron leaves out its first run if the clocks skip the tick after it.
#
# Guess: A DAG with the schedule "@daily" in the zone Africa/Cairo and the start date 25 April 2024, 00:00, and
#     a backfill from that day, begin with the run of 25 April, as they do for any other day: a start that is
#     a tick belongs to the schedule.
# Seen: They begin with 26 April, 01:00. The run of the 25th is neither missed nor late, it was never due, and
#     a backfill of that day alone has no run. The same for "30 2 * * *" in Europe/Berlin on 30 March 2024,
#     with CronTriggerTimetable and with CronDataIntervalTimetable. It hits who starts, or fills in, on the
#     day before the clocks go forward; a start one day earlier loses nothing.
# Versions: apache-airflow-core 3.3.2
# Date: 2026-11-30
# Source: airflow/timetables/_cron.py, _align_to_next: whether a time is a tick is found out by going to the
#     next tick and back; from a tick that the clocks have moved, the way back leads to another time.
#     Of the same step back, but for manual runs: https://github.com/apache/airflow/pull/70089 (after 3.3.2)
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    apache-airflow-core==3.3.2

export AIRFLOW_HOME=$scratch/airflow
venv/bin/python -I -W ignore - <<'EOF'
import pendulum
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable


def runs(timetable, zone, first, last):
    """Return the runs that are due from one time to another, as the scheduler and a backfill find them."""
    limits, interval, found = TimeRestriction(first, last, catchup=True), None, []
    while info := timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=limits):
        interval = info.data_interval
        found.append(f"{info.logical_date.in_timezone(zone):%d %B %H:%M}")
    return found


cases = [("0 0 * * *", "Africa/Cairo", "2024-04-25 00:00"), ("30 2 * * *", "Europe/Berlin", "2024-03-30 02:30")]
lost = 0
for kind in (CronTriggerTimetable, CronDataIntervalTimetable):
    for cron, zone, text in cases:
        day = pendulum.parse(text, tz=zone)
        both = runs(kind(cron, timezone=zone), zone, day.subtract(days=1), day)
        alone = runs(kind(cron, timezone=zone), zone, day, day)
        print(f"{kind.__name__}({cron!r}, {zone})")
        print(f"  from a day earlier to {day:%d %B}: {both}")
        print(f"  {day:%d %B} alone: {alone}")
        lost += len(both) == 2 and not alone
if lost != 4:
    raise SystemExit("outdated: the first day has its run")
EOF
