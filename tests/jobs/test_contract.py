"""docs/job-contract.md against the jobs: what each leaves and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from include.jobs.runner import run_job
from include.jobs.spec import Job, JobSpec
from tests.support import job_contract
from tests.support.job_contract import Left, of_answer, of_lake, of_model, of_run
from tests.support.loop import DAYS, Loop
from tests.support.pipeline import day

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(loop: Loop) -> Ask:
    """Runs a job as a container of a known image does, with code of a known version."""

    def run(job: Job, stage: str, run_id: str = "r1", **told: Any) -> dict[str, Any]:
        identity = replace(loop.identity(stage, run_id), code_version="c0de", image="forecasts@sha256:1")
        given = {"commit": loop.head, "until": f"{day(DAYS - 1)}", "run_key": f"{identity.key}/{job}", **told}
        spec = JobSpec(job=job, pipeline_name=loop.folder.name, **given)
        return run_job(spec, loop.services, identity).to_json()

    return run


def test_each_job_leaves_what_the_page_says(loop: Loop, ask: Ask) -> None:
    first = ask(Job.TRAIN, "train", params={"C": 0.5})
    loop.promote(first["run_id"])
    ask(Job.EVALUATE, "train", candidate=first["run_id"])
    trained = ask(Job.TRAIN, "train", "r2", params={"C": 0.5})
    left: dict[Job, Left] = {Job.TRAIN: of_run(loop, trained["run_id"], "train")}
    scores = ask(Job.EVALUATE, "train", "r2", candidate=trained["run_id"])
    left[Job.EVALUATE] = of_run(loop, trained["run_id"], "train") - left[Job.TRAIN] | of_answer(scores)
    left[Job.TRAIN] |= of_model(loop, trained["run_id"]) | of_answer(trained)
    scored = ask(Job.SCORE, "monitor", version=1)
    left[Job.SCORE] = of_lake(loop, scored["commit"]) | of_answer(scored)
    measured = ask(Job.MEASURE, "monitor", version=1, commit=scored["commit"])
    left[Job.MEASURE] = of_run(loop, measured["run_id"], "monitor") | of_answer(measured)
    assert {
        job: differs for job, found in left.items() if (differs := found ^ job_contract.documented(job))
    } == {}
