"""What a task takes of a job's output."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.exceptions import Misconfigured
from include.jobs.results import RESULTS
from include.jobs.spec import Job
from include.modelling.comparison import Scores
from millrace.hooks.mlflow import MlflowHook
from millrace.runtimes.results import result

GOOD: dict[Job, dict[str, Any]] = {
    Job.TRAIN: {"run_id": "r", "link": "http://inside:5000/#/runs/r"},
    Job.EVALUATE: {
        "training_run": "r",
        "metric": "roc_auc",
        "rows": 600,
        "candidate": 0.7,
        "latency_ms": 1.5,
    },
    Job.SCORE: {"commit": "c", "days": 3, "rows": 300},
    Job.MEASURE: {"run_id": "r", "link": "http://inside:5000/#/runs/r"},
}
REQUIRED = [
    (job, name)
    for job, record in RESULTS.items()
    for name, field in record.model_fields.items()
    if field.is_required()
]


@pytest.fixture(autouse=True)
def mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"container_host": "http://inside:5000"}
    connection = {"conn_type": "http", "host": "http://outside:5000", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize("job", Job)
def test_a_result_is_parsed_into_the_jobs_record(job: Job) -> None:
    lines = ["INFO", json.dumps(GOOD[job] | {"of_its_own": 1})]
    found = result(job, "forecasts:2", lines, MlflowHook())
    assert type(found) is RESULTS[job]
    assert getattr(found, "link", "http://outside").removesuffix("/#/runs/r") in (
        "",
        "http://outside",
        "http://outside:5000",
    )


@pytest.mark.parametrize(("job", "name"), REQUIRED)
def test_a_field_that_an_image_leaves_out_is_named_and_not_retried(job: Job, name: str) -> None:
    lines = [json.dumps({key: value for key, value in GOOD[job].items() if key != name})]
    with pytest.raises(
        Misconfigured, match=rf"the result of '{job}' from image 'forecasts:2' .*{name}: field re"
    ):
        result(job, "forecasts:2", lines, MlflowHook())


def test_a_number_that_is_none_is_named_without_its_value() -> None:
    lines = [json.dumps(GOOD[Job.EVALUATE] | {"candidate": float("nan")})]
    with pytest.raises(
        Misconfigured, match=r"candidate: input should be a finite number.*job-contract"
    ) as caught:
        result("evaluate", "forecasts:2", lines, MlflowHook())
    assert "nan" not in str(caught.value)


def test_no_result_at_all_names_the_image() -> None:
    with pytest.raises(
        Misconfigured, match=r"image 'forecasts:2' ended with 0 and printed no result of 'train'"
    ):
        result("train", "forecasts:2", ["done"], MlflowHook())


def test_the_scores_of_an_evaluation_are_all_that_the_gate_needs() -> None:
    found = result("evaluate", "forecasts:2", [json.dumps(GOOD[Job.EVALUATE])], MlflowHook())
    assert isinstance(found, Scores)
    assert (found.champion, found.champion_fault, found.slice_drop, found.link) == (None, None, None, "")
