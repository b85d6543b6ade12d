"""The runtime decides about the operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from include import catalog
from include.exceptions import Misconfigured
from include.jobs.spec import Job
from include.spec import Pipeline
from millrace.jobs import job_operator
from millrace.operators.job import ProcessJobOperator
from tests.support.pipeline import write_pipeline


def pipeline(parent: Path, runtime: str) -> Pipeline:
    return catalog.load(write_pipeline(parent, "orders", training={"runtime": runtime, "timeout": "5m"}))


@pytest.mark.parametrize("runtime", ["auto", "process"])
def test_a_job_runs_in_the_tasks_process_by_default(tmp_path: Path, runtime: str) -> None:
    task = job_operator(Job.SCORE, pipeline(tmp_path, runtime), commit="c", until="u", version="1")
    assert isinstance(task, ProcessJobOperator)
    assert (task.task_id, task.pipeline, task.job) == ("score", "orders", "score")
    assert task.arguments == {"commit": "c", "until": "u", "version": "1"}
    assert task.execution_timeout == timedelta(minutes=5)


def test_a_deployment_must_name_a_runtime_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_pipelines: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("RUNTIME", "auto")
    use_pipelines(tmp_path)
    with pytest.raises(Misconfigured, match="runtime 'auto' of 'orders' is none of 'process'; set RUNTIME"):
        job_operator(Job.TRAIN, pipeline(tmp_path, "auto"))
