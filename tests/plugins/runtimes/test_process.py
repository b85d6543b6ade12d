"""The operator that runs a job: its specification, and what it may reach."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from include.exceptions import Transient
from include.jobs.spec import Job, JobSpec
from include.settings import settings
from millrace.runtimes.process import ProcessJobOperator
from tests.support.engine import train_task
from tests.support.loop import Loop
from tests.support.task import Task


def task(job: str = "train", run_id: str = "r1", **arguments: str) -> Task:
    told = {"commit": "{{ params.commit }}", "until": "2024-03-30", **arguments}
    operator = ProcessJobOperator(task_id=job, pipeline_name="orders", job=job, job_args=told)
    found = Task(operator, run_id, params={"commit": "c0ffee", "given": {"C": 0.5}})
    operator.render_template_fields(found.context)
    return found


def spec(found: Task) -> JobSpec:
    made: JobSpec = found.operator.job_spec(found.context)
    return made


def test_a_job_is_told_what_its_templates_say() -> None:
    assert spec(task(params="{{ params.given | tojson }}")) == JobSpec(
        job=Job.TRAIN,
        pipeline_name="orders",
        commit="c0ffee",
        until="2024-03-30",
        run_key="orders.stage/r1/train",
        params={"C": 0.5},
    )


def test_numbers_may_come_as_text() -> None:
    assert spec(task("score", version="3")).version == 3


def test_the_key_is_the_same_for_every_try_and_another_for_every_run_and_job() -> None:
    keys = [spec(one).run_key for one in (task(), task(), task(run_id="r2"), task("evaluate"))]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize("wrong", [{"until": "None"}, {"commit": ""}, {"unknown": "x"}, {"version": "None"}])
def test_what_a_template_leaves_empty_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(task(**wrong))


@pytest.fixture
def full_disk(connections: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """MLflow's artifacts are on a disk that has less space than has to be left."""
    connection = json.loads(os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"])
    extra = {**connection.get("extra", {}), "artifacts": str(tmp_path / "later")}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({**connection, "extra": extra}))
    monkeypatch.setenv("MILLRACE_MIN_FREE", "1EiB")
    settings.cache_clear()
    yield
    settings.cache_clear()


def training(shop: Loop, job: str = "train", **arguments: str) -> Task:
    told = {"commit": shop.head, "until": "2024-03-30", **arguments}
    return Task(ProcessJobOperator(task_id=job, pipeline_name=shop.folder.name, job=job, job_args=told))


@pytest.mark.usefixtures("full_disk")
def test_no_training_starts_that_would_fill_the_disk(shop: Loop) -> None:
    with pytest.raises(Transient) as caught:
        training(shop).run()
    message = str(caught.value)
    assert message.startswith("MLflow's disk has ")
    assert "MiB free, and a new training has to leave 1,099,511,627,776 MiB (MILLRACE_MIN_FREE)" in message
    assert shop.count("train") == 0


@pytest.mark.usefixtures("full_disk")
def test_no_container_is_started_either_and_no_engine_is_needed_to_know() -> None:
    with pytest.raises(Transient, match=r"MLflow's disk has .* free, and a new training has to leave"):
        train_task("any").run()


def test_a_training_that_is_done_is_evaluated_on_a_full_disk(
    shop: Loop, request: pytest.FixtureRequest
) -> None:
    candidate = training(shop).run()["run_id"]
    request.getfixturevalue("full_disk")
    assert training(shop, "evaluate", candidate=candidate).run()["candidate"] > 0


def test_a_job_runs_in_the_tasks_own_process_and_again_finds_its_result(shop: Loop) -> None:
    operator = ProcessJobOperator(
        task_id="train",
        pipeline_name=shop.folder.name,
        job="train",
        job_args={"commit": shop.head, "until": "2024-03-30", "params": '{"C": 0.5}'},
    )
    told = Task(operator).run()
    assert told == Task(operator, try_number=2).run()
    assert set(told) == {"run_id", "link"}
    assert shop.logged(told["run_id"]).data.params["C"] == "0.5"
    assert shop.count("train") == 1
