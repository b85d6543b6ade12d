"""The operator that runs a job: its specification, and what it may reach."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from include.jobs.spec import Job, JobSpec
from millrace.runtimes.process import ProcessJobOperator
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
