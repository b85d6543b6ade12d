"""Sensors that wait in the triggerer, and the trigger that waits for them."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.exceptions import Unauthorized
from include.lake.client import Lake
from millrace.sensors.lakefs import (
    LakeFSCommitSensor,
    LakeFSObjectSensor,
    LakeFSPrefixSensor,
    LakeFSSensor,
    LakeFSTagSensor,
)
from millrace.triggers.lakefs import LakeFSTrigger
from tests.support.lake import LakeServer
from tests.support.task import Task


@pytest.fixture(autouse=True)
def _connected(lake_connection: None) -> None:
    """Every test here uses the test server."""


def restored(trigger: LakeFSTrigger) -> LakeFSTrigger:
    """Return the trigger as another triggerer restores it from Airflow's database."""
    path, arguments = trigger.serialize()
    assert path == "millrace.triggers.lakefs.LakeFSTrigger"
    return LakeFSTrigger(**json.loads(json.dumps(arguments)))


def deferred(kind: type[LakeFSSensor], lake: Lake, **arguments: Any) -> tuple[LakeFSSensor, LakeFSTrigger]:
    sensor = kind(
        task_id="t", repository=lake.repository, deferrable=True, poke_interval=0.05, timeout=9, **arguments
    )
    with pytest.raises(TaskDeferred) as caught:
        Task(sensor).run()
    assert caught.value.method_name == "execute_complete"
    assert caught.value.timeout is not None
    assert isinstance(caught.value.trigger, LakeFSTrigger)
    return sensor, restored(caught.value.trigger)


async def payload_of(trigger: LakeFSTrigger) -> Any:
    """Return the payload of the trigger's event."""
    return (await anext(trigger.run())).payload


def waited(trigger: LakeFSTrigger, meanwhile: Any = lambda: None) -> Any:
    """Return the payload of the trigger's event; `meanwhile` runs while it waits."""

    async def both() -> Any:
        waiting = asyncio.create_task(payload_of(trigger))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await asyncio.to_thread(meanwhile)
        return await asyncio.wait_for(waiting, 10)

    return asyncio.run(both())


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        (LakeFSCommitSensor, {"ref": "work"}, {"ref": "work"}),
        (LakeFSObjectSensor, {"ref": "work", "path": "t/a"}, {"ref": "work", "path": "t/a", "size": 3}),
        (LakeFSPrefixSensor, {"ref": "work", "prefix": "t/"}, {"ref": "work", "prefix": "t/", "path": "t/a"}),
        (LakeFSTagSensor, {"tag": "v"}, {"tag": "v"}),
    ],
    ids=["commit", "object", "prefix", "tag"],
)
def test_each_sensor_waits_in_the_triggerer(
    lake: Lake, kind: type[LakeFSSensor], arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    def come() -> None:
        lake.create_branch("work", "main")
        lake.upload("work", "t/a", BytesIO(b"abc"))
        lake.create_tag("v", "main")

    sensor, trigger = deferred(kind, lake, **arguments)
    match = sensor.execute_complete({}, waited(trigger, come))
    assert expected.items() <= match.items()
    assert Task(sensor).run() == match  # what exists is returned without waiting


def test_a_trigger_holds_no_secret(lake: Lake) -> None:
    _, trigger = deferred(LakeFSTagSensor, lake, tag="v")
    assert lake.connection.secret_access_key not in json.dumps(trigger.serialize())


def test_a_trigger_waits_out_a_lake_that_is_gone(lake_server: LakeServer, lake: Lake) -> None:
    def outage() -> None:
        lake_server.kill()
        lake_server.start()
        lake.create_tag("v", "main")

    _, trigger = deferred(LakeFSTagSensor, lake, tag="v")
    assert waited(trigger, outage) == {"match": {"tag": "v", "commit": lake.resolve("v")}}


def test_an_error_that_waiting_cannot_fix_ends_the_wait(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor, trigger = deferred(LakeFSTagSensor, lake, tag="v")
    wrong = {"conn_type": "lakefs", "host": lake.connection.endpoint, "login": "a", "password": "b"}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(wrong))
    event = asyncio.run(payload_of(trigger))
    assert event["error"] == "Unauthorized"
    with pytest.raises(Unauthorized, match="refused access key 'a'"):
        sensor.execute_complete({}, event)


def test_an_empty_prefix_needs_no_sensor() -> None:
    with pytest.raises(ValueError, match="set 1 or more"):
        LakeFSPrefixSensor(task_id="t", repository="r", ref="main", prefix="t/", min_objects=0)
