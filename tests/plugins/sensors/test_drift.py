"""The sensor that closes the loop: it waits for a verdict, then fires or ends the run."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DownstreamTasksSkipped
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRescheduleException

from include.monitoring import history
from include.monitoring.drift import DriftResult
from include.monitoring.verdict import store
from include.verdict import Verdict
from millrace.sensors.drift import DriftSensor
from tests.support.loop import Loop
from tests.support.pipeline import day
from tests.support.task import Task


def measured(shop: Loop, number: int, reason: str = "") -> None:
    """Write a night's verdict; with a reason it broke a limit."""
    verdict = Verdict(passed=not reason, reasons=(reason,) if reason else (), numbers={"rows": 500.0})
    drifted = DriftResult(distances={}, features=("amount",) if reason else (), silent=(), share=0, html="")
    nights = history.experiment(shop.spec, shop.tracking_uri)
    tags = history.tags(day(number), 1, learned=day(-1))
    with nights.start(f"night {number}", name="night", tags=tags) as run:
        store(run, verdict, drifted)


def sensor(shop: Loop, number: int) -> Task:
    with DAG(f"{shop.folder.name}.monitor", schedule=None):
        task = DriftSensor(task_id="drift", pipeline=shop.folder.name, night=f"{day(number)}", version="1")
        task >> EmptyOperator(task_id="retrain")
    return Task(task)


def test_it_waits_for_the_nights_verdict(shop: Loop) -> None:
    with pytest.raises(AirflowRescheduleException):
        sensor(shop, 0).run()


def test_a_night_that_holds_ends_the_run_and_says_why(shop: Loop) -> None:
    measured(shop, 0)
    task = sensor(shop, 0)
    with pytest.raises(DownstreamTasksSkipped) as caught:
        task.run()
    assert caught.value.tasks == ["retrain"]
    assert task.xcoms["drift", "return_value"] == {
        "fire": False,
        "cause": "drift-sensor__2024-03-01__v1",
        "reason": "no limit broken",
        "until": "2024-03-01",
        "drifted": [],
        "verdict": {"passed": True, "reasons": [], "numbers": {"rows": 500.0}},
    }


def test_a_night_that_fires_goes_on_with_its_cause_however_often_it_is_run(shop: Loop) -> None:
    measured(shop, 0, "amount drifted")
    measured(shop, 1, "amount drifted")
    told = sensor(shop, 1).run()
    assert told == sensor(shop, 1).run()
    assert (told["fire"], told["cause"], told["drifted"]) == (
        True,
        "drift-sensor__2024-03-02__v1",
        ["amount"],
    )


def test_it_waits_without_a_worker_and_not_for_ever() -> None:
    waits = DriftSensor(task_id="drift", pipeline="orders", night="2024-03-01", version="1")
    assert (waits.mode, waits.timeout) == ("reschedule", 3600)
    asked = DriftSensor(task_id="drift", pipeline="orders", night="2024-03-01", version="1", timeout=60)
    assert asked.timeout == 60
