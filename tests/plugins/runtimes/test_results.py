"""What the tasks take of a job's output."""

from __future__ import annotations

import re

import pytest

from include.exceptions import Misconfigured
from include.jobs.spec import Job
from millrace.hooks.mlflow import MlflowHook
from millrace.runtimes.results import answer
from tests.support import job_contract


@pytest.mark.parametrize("job", Job)
def test_what_an_answer_must_have_the_page_says_is_needed(job: Job) -> None:
    with pytest.raises(Misconfigured, match="without an answer") as told:
        answer(job, "forecasts:2", [], MlflowHook())
    keys = re.findall(r"'(\w+)'", str(told.value).partition("must have")[2])
    assert keys
    assert {("answers", key) for key in keys} <= job_contract.told(job, needed=True)
