"""The sensor that closes the loop: it waits for a verdict, then starts a retrain or ends the run."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DownstreamTasksSkipped
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRescheduleException

from include.monitoring.history import MonitoringDay, store
from include.monitoring.verdict import MonitoringVerdict
from millrace.sensors.drift import DriftSensor
from tests.support.loop import Loop
from tests.support.pipeline import day
from tests.support.task import Task


def measured(shop: Loop, number: int, reason: str = "") -> None:
    """Write a day's verdict; with a reason it failed."""
    verdict = MonitoringVerdict(
        passed=not reason,
        reasons=(reason,) if reason else (),
        numbers={"rows": 500.0},
        drifted=("amount",) if reason else (),
    )
    about = MonitoringDay(as_of=day(number), version=1, trained_until=day(-1))
    attempts = shop.history.attempts(f"day {number}")
    with shop.history.start(attempts, about, shop.identity("monitor")) as run_log:
        store(run_log, verdict, "")


def sensor(shop: Loop, number: int) -> Task:
    with DAG(f"{shop.folder.name}.monitor", schedule=None):
        task = DriftSensor(
            task_id="drift", pipeline_name=shop.folder.name, as_of=f"{day(number)}", version="1"
        )
        task >> EmptyOperator(task_id="retrain")
    return Task(task)


def test_it_waits_for_the_days_verdict(shop: Loop) -> None:
    with pytest.raises(AirflowRescheduleException):
        sensor(shop, 0).run()


def test_a_day_that_holds_ends_the_run_and_says_why(shop: Loop) -> None:
    measured(shop, 0)
    task = sensor(shop, 0)
    with pytest.raises(DownstreamTasksSkipped) as caught:
        task.run()
    assert caught.value.tasks == ["retrain"]
    assert task.xcoms["drift", "return_value"] == {
        "retrain": False,
        "cause": "drift-sensor__2024-03-01__v1",
        "reason": "no limit exceeded",
        "until": "2024-03-01",
        "verdict": {"passed": True, "reasons": [], "numbers": {"rows": 500.0}, "drifted": []},
    }


def test_a_day_that_retrains_goes_on_with_its_cause_however_often_it_is_run(shop: Loop) -> None:
    measured(shop, 0, "amount drifted")
    measured(shop, 1, "amount drifted")
    decision = sensor(shop, 1).run()
    assert decision == sensor(shop, 1).run()
    assert (decision["retrain"], decision["cause"], decision["verdict"]["drifted"]) == (
        True,
        "drift-sensor__2024-03-02__v1",
        ["amount"],
    )


def test_it_waits_without_a_worker_and_not_for_ever() -> None:
    fields = {"task_id": "drift", "pipeline_name": "orders", "as_of": "2024-03-01", "version": "1"}
    sensor = DriftSensor(**fields)
    assert (sensor.mode, sensor.timeout) == ("reschedule", 3600)
    assert DriftSensor(**fields, timeout=60).timeout == 60
