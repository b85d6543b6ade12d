"""The table of days in docs/dags.md, on a real scheduler: who starts a run, and which days it brings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from include.tracking.server import TrackingServer
from tests.support.days import ZONE, Started, backfill, each, run_airflow, trigger
from tests.support.lake import LakeServer
from tests.support.services import run_mlflow

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]

NAMED = "named.ingest"
TODAY = datetime.now(ZoneInfo(ZONE)).date()
DAILY = "30 2 * * *"
PIPELINES: dict[str, dict[str, Any]] = {
    "named": {"ingest": DAILY, "monitor": "0 4 * * *"},
    "daily": {"ingest": DAILY, "since": TODAY - timedelta(days=3)},
    "weekly": {"ingest": "@weekly", "since": TODAY - timedelta(days=12)},
    "monthly": {"ingest": "@monthly", "since": TODAY - timedelta(days=35)},
    "spring": {"ingest": DAILY},
    "autumn": {"ingest": DAILY},
}

BY_REST: dict[str, tuple[dict[str, Any], str, str]] = {
    "start-and-end": ({"conf": {"start": "2024-03-01", "end": "2024-03-02"}}, "2024-03-01", "2024-03-02"),
    "start": ({"conf": {"start": "2024-03-03"}}, "2024-03-03", "2024-03-03"),
    "end": ({"conf": {"end": "2024-03-04"}}, "2024-03-04", "2024-03-04"),
    "end-and-logical-date": (
        {"conf": {"end": "2024-03-05"}, "logical_date": "2024-03-20T12:00:00Z"},
        "2024-03-05",
        "2024-03-05",
    ),
    "logical-date": ({"logical_date": "2024-03-08T12:00:00Z"}, "2024-03-07", "2024-03-07"),
    "logical-date-of-the-evening-before": (
        {"logical_date": "2024-03-08T00:00:00Z"},
        "2024-03-06",
        "2024-03-06",
    ),
    "data-interval": (
        {
            "logical_date": "2024-03-15T00:00:00Z",
            "data_interval_start": "2024-03-09T05:00:00Z",
            "data_interval_end": "2024-03-12T04:00:00Z",
        },
        "2024-03-09",
        "2024-03-11",
    ),
    "time-to-run": ({"run_after": "2024-03-14T12:00:00Z"}, "2024-03-13", "2024-03-13"),
}
"""What a body of the REST API names, as the form of the UI sends it, too."""

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a-day-to-come": ({"conf": {"end": "2199-01-01"}}, "the run is for days up to 2199-01-01, and in"),
    "the-wrong-order": (
        {"conf": {"start": "2024-03-02", "end": "2024-03-01"}},
        "start 2024-03-02 is after end",
    ),
    "too-many-days": (
        {"conf": {"start": "2024-01-01", "end": "2024-12-31"}},
        "are 366 days, and one run brings",
    ),
    "a-long-data-interval": (
        {
            "logical_date": "2024-04-15T00:00:00Z",
            "data_interval_start": "2023-03-09T05:00:00Z",
            "data_interval_end": "2024-03-12T04:00:00Z",
        },
        "are 369 days, and one run brings at most 40",
    ),
    "a-data-interval-without-a-day": (
        {
            "logical_date": "2024-04-16T00:00:00Z",
            "data_interval_start": "2024-03-12T12:00:00Z",
            "data_interval_end": "2024-03-12T18:00:00Z",
        },
        "no day ends in the data interval 2024-03-12 08:00 EDT to 2024-03-12 14:00 EDT",
    ),
    "two-days-that-differ": (
        {
            "logical_date": "2024-04-17T00:00:00Z",
            "data_interval_start": "2024-03-12T12:00:00Z",
            "data_interval_end": "2024-03-12T12:00:00Z",
        },
        "start a run with the days as start and end",
    ),
}

NO_DAY = "the day before the time of the run, which names no day"
WITHOUT_A_DAY = {
    "rest-nothing": NO_DAY,
    "rest-interval-alone": NO_DAY,
    "command-nothing": NO_DAY,
    "operator-nothing": "the day before the run's logical date",  # which the operator sets to now
}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    with run_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory, lake_server: LakeServer, mlflow: TrackingServer
) -> Iterator[Started]:
    """An Airflow in which a run was started in every way; they run beside each other."""
    with run_airflow(tmp_path_factory.mktemp("airflow"), lake_server, mlflow, PIPELINES) as found:
        bodies = {name: row[0] for name, row in BY_REST.items()} | {
            name: row[0] for name, row in REFUSED.items()
        }
        for name, body in bodies.items():
            found.rest(NAMED, name, **body)
        found.rest(NAMED, "rest-nothing")
        interval = {
            "data_interval_start": "2024-03-09T05:00:00Z",
            "data_interval_end": "2024-03-12T04:00:00Z",
        }
        found.rest(NAMED, "rest-interval-alone", **interval)
        found.rest("starters", "all")
        # Last, as it takes longest: meanwhile the others begin.
        found.airflow.commands(
            backfill(NAMED, "2024-06-20", "2024-06-23"),
            backfill("spring.ingest", "2024-03-09", "2024-03-11"),
            backfill("autumn.ingest", "2024-11-02", "2024-11-04"),
            trigger(NAMED, "command-nothing"),
            trigger(NAMED, "command-date", "--logical-date", "2024-04-08T12:00:00+00:00"),
            trigger(NAMED, "command-conf", "--conf", '{"end": "2024-04-11"}'),
        )
        yield found


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize("name", BY_REST)
def test_what_the_form_and_rest_name(name: str, started: Started) -> None:
    _, first, last = BY_REST[name]
    assert started.brought(NAMED, name) == (day(first), day(last))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_fails_at_once(name: str, started: Started) -> None:
    assert started.api.wait(NAMED, name) == "failed"
    assert REFUSED[name][1] in " ".join(started.log(NAMED, name, "open_branch"))
    assert started.tries(NAMED, name, "open_branch") == 1


def test_airflow_holds_a_run_whose_logical_date_is_to_come(started: Started) -> None:
    started.rest("weekly.train", "held", logical_date="2199-01-01T12:00:00Z")
    started.rest("monthly.train", "not-held", logical_date="2024-01-01T12:00:00Z")
    started.api.wait("monthly.train", "not-held")
    assert started.api.state("weekly.train", "held") == "running"
    assert {task.state for task in started.api.tasks("weekly.train", "held")} == {"none"}


@pytest.mark.parametrize("run_id", WITHOUT_A_DAY)
def test_a_run_that_names_no_day_is_for_the_day_before_it(run_id: str, started: Started) -> None:
    brought = started.brought(NAMED, run_id)
    due = datetime.fromisoformat(started.due(NAMED, run_id)).astimezone(ZoneInfo(ZONE)).date()
    assert brought == (due - timedelta(days=1),) * 2
    assert WITHOUT_A_DAY[run_id] in " ".join(started.log(NAMED, run_id, "load"))


@pytest.mark.parametrize(
    ("run_id", "expected"),
    [
        ("command-date", "2024-04-07"),
        ("command-conf", "2024-04-11"),
        ("operator-date", "2024-04-08"),
        ("operator-conf", "2024-04-10"),
    ],
)
def test_what_the_command_and_the_operator_name(run_id: str, expected: str, started: Started) -> None:
    assert started.brought(NAMED, run_id) == (day(expected), day(expected))


@pytest.mark.parametrize("task_id", ["open_branch", "load"])
def test_the_log_says_in_one_line_which_days_and_why(task_id: str, started: Started) -> None:
    started.brought(NAMED, "command-date")
    lines = [line for line in started.log(NAMED, "command-date", task_id) if "days 2024" in line]
    assert lines == [
        "days 2024-04-07..2024-04-07: the day before the run's logical date: 2024-04-08 08:00 EDT"
    ]


def test_the_command_that_runs_a_dag_itself(started: Started) -> None:
    with started.paused(NAMED):  # or the scheduler takes tasks of the run, too
        started.airflow.command("dags", "test", NAMED, "2024-04-13T12:00:00+00:00")
    (run,) = [run for run in started.runs(NAMED, "manual") if "2024-04-13" in (run["logical_date"] or "")]
    assert started.brought(NAMED, run["dag_run_id"]) == (day("2024-04-12"),) * 2


def test_the_asset_that_is_materialized(started: Started) -> None:
    found = started._ask("GET", "assets?uri_pattern=/named")["assets"]
    (asset,) = [one for one in found if one["uri"].endswith("/main/named")]
    run = started.post(f"assets/{asset['id']}/materialize", {"logical_date": None})
    due = datetime.fromisoformat(run["run_after"]).astimezone(ZoneInfo(ZONE)).date()
    assert run["run_type"] == "asset_materialization"
    assert started.brought(NAMED, run["dag_run_id"]) == (due - timedelta(days=1),) * 2


@pytest.mark.parametrize(
    ("dag_id", "first", "number"),
    [(NAMED, "2024-06-20", 4), ("spring.ingest", "2024-03-09", 3), ("autumn.ingest", "2024-11-02", 3)],
)
def test_a_backfill_brings_the_days_that_it_names(
    dag_id: str, first: str, number: int, started: Started
) -> None:
    assert started.brought_by(dag_id, "backfill", number) == each(day(first), number)
    assert len(started.runs(dag_id, "backfill")) == number


def test_a_daily_schedule_brings_every_day_from_since_on(started: Started) -> None:
    assert started.brought_by("daily.ingest", "scheduled", 2) == each(TODAY - timedelta(days=3), 2)


@pytest.mark.parametrize("name", ["weekly", "monthly"])
def test_the_first_run_of_another_schedule_begins_with_since(name: str, started: Started) -> None:
    [(first, last)] = started.brought_by(f"{name}.ingest", "scheduled", 1)
    assert first == PIPELINES[name]["since"]
    after = last + timedelta(days=1)
    assert after.isoweekday() == 7 if name == "weekly" else after.day == 1


def waits_for(started: Started, run_id: str) -> str:
    started.api.finish("named.monitor", run_id)
    return " ".join(started.log("named.monitor", run_id, "wait_for_data"))


def test_monitor_is_about_the_day_that_is_named(started: Started) -> None:
    started.brought(NAMED, "command-date")
    started.brought(NAMED, "end")
    started.brought_by(NAMED, "backfill", 4)
    started.airflow.commands(
        trigger("named.monitor", "command-date", "--logical-date", "2024-04-08T12:00:00+00:00"),
        backfill("named.monitor", "2024-06-20", "2024-06-21"),
    )
    started.rest("named.monitor", "end", conf={"end": "2024-03-04"})
    assert "days 2024-04-07..2024-04-07: the day before the run's logical" in waits_for(
        started, "command-date"
    )
    assert "days 2024-03-04..2024-03-04: the run's parameter end" in waits_for(started, "end")
    runs = started.runs("named.monitor", "backfill")
    logs = [waits_for(started, run["dag_run_id"]) for run in runs]
    assert [f"days 2024-06-{20 + number}..2024-06-{20 + number}:" in log for number, log in enumerate(logs)]
    assert len(runs) == 2


def test_train_learns_up_to_the_day_that_is_named(started: Started) -> None:
    [newest, _] = started.brought(NAMED, "command-nothing")
    started.brought(NAMED, "command-date")
    started.airflow.commands(trigger("named.train", "date", "--logical-date", "2024-04-08T12:00:00+00:00"))
    started.rest("named.train", "until", conf={"until": "2024-03-04"})
    started.rest("named.train", "nothing")
    assert learned(started, "date") == day("2024-04-07")
    assert learned(started, "until") == day("2024-03-04")
    assert learned(started, "nothing") >= newest


def learned(started: Started, run_id: str) -> date:
    """The last day that a training may learn from; there are too few rows to learn anything."""
    started.api.wait("named.train", run_id)
    return day(started.api.result("named.train", run_id, "pin")["until"])
