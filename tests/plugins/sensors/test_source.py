"""The sensor that waits for the files of a source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException

from include.exceptions import Misconfigured
from millrace.sensors.source import SourceSensor
from tests.support.dags import dag_bag
from tests.support.pipeline import day, orders, write_csv, write_pipeline
from tests.support.task import run

MakeShop = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, use_pipelines: Callable[[Path], None]) -> MakeShop:
    """Makes a pipeline with a file for each day."""

    def write(**source: Any) -> Path:
        use_pipelines(tmp_path)
        return write_pipeline(tmp_path, source={"uri": "orders-{dt}.csv", **source})

    return write


def wait(folder: Path, last: int = 1) -> object:
    sensor = SourceSensor(task_id="wait", pipeline_name=folder.name, first=f"{day(0)}", last=f"{day(last)}")
    return run(sensor)


def test_it_waits_until_each_day_has_its_file(make: MakeShop, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(missing="wait")
    with pytest.raises(AirflowRescheduleException):
        wait(folder)
    said = capsys.readouterr().out
    assert "waiting for 2 path(s) without a file, up to source.missing_timeout: 'orders-2024" in said
    write_csv(folder / "orders-2024-03-01.csv", orders(0))
    with pytest.raises(AirflowRescheduleException):
        wait(folder)
    write_csv(folder / "orders-2024-03-02.csv", orders(1))
    assert wait(folder) is None


def test_days_that_never_come_are_not_waited_for(make: MakeShop) -> None:
    folder = make(missing="wait", skip_days=["2024-03-02"])
    write_csv(folder / "orders-2024-03-01.csv", orders(0))
    assert wait(folder) is None


def test_of_many_paths_ten_are_named(make: MakeShop, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(missing="wait")
    with pytest.raises(AirflowRescheduleException):
        wait(folder, last=29)
    said = capsys.readouterr().out
    assert "waiting for 30 path(s)" in said
    assert (said.count("orders-2024"), ", …" in said) == (10, True)


def test_what_no_wait_can_help_fails_at_once(make: MakeShop) -> None:
    with pytest.raises(Misconfigured, match=r"source\.uri"):
        wait(make(missing="wait", uri="nowhere://{dt}.csv"))


@pytest.mark.parametrize(("missing", "tasks"), [("wait", ["wait_for_files"]), ("skip", []), ("fail", [])])
def test_only_a_contract_that_waits_has_the_task(make: MakeShop, missing: str, tasks: list[str]) -> None:
    make(missing=missing, missing_timeout="2h")
    dag = dag_bag().dags["orders.ingest"]
    found = [task for task in dag.tasks if isinstance(task, SourceSensor)]
    assert [task.task_id for task in found] == tasks
    for task in found:
        assert (task.timeout, task.mode) == (timedelta(hours=2).total_seconds(), "reschedule")
        assert dag.roots == [task]
        assert task.downstream_task_ids == {"open_branch"}
