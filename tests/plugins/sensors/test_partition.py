"""The sensor that waits for a day's partition."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException

from millrace.sensors.partition import PartitionSensor
from tests.support.loop import Loop, rows
from tests.support.task import run


def wait_for_day(shop: Loop, day: str) -> object:
    return run(PartitionSensor(task_id="wait", pipeline_name=shop.folder.name, day=day))


def test_it_waits_for_its_day_and_returns_the_commit_that_holds_it(shop: Loop) -> None:
    with pytest.raises(AirflowRescheduleException):
        wait_for_day(shop, "2024-03-31")
    shop.put({30: rows(30)})
    assert wait_for_day(shop, "2024-03-31") == {"commit": shop.head}


def test_it_needs_no_champion(shop: Loop) -> None:
    assert wait_for_day(shop, "2024-03-30") == {"commit": shop.head}
