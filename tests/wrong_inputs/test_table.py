"""Every wrong input is refused once, with a message that says what to do, and without a value of the data."""

from __future__ import annotations

import logging
import re
import traceback
from collections import Counter
from pathlib import Path

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import ParamValidationError

from include.exceptions import MillraceError
from millrace.dags.retries import RETRY_POLICY
from tests.wrong_inputs import (
    contracts,
    data_files,
    feature_columns,
    model_code,
    new_pipelines,
    predictions,
    queries,
    run_params,
    source_functions,
    source_tables,
    stored_models,
    suites,
)
from tests.wrong_inputs.table import MARKS, Wrong

KINDS = (
    contracts,
    data_files,
    feature_columns,
    model_code,
    new_pipelines,
    predictions,
    queries,
    run_params,
    source_functions,
    source_tables,
    stored_models,
    suites,
)
WRONG: list[Wrong] = [wrong for kind in KINDS for wrong in kind.WRONG]
LEAST = 520
MAX_MESSAGE = 2048
REMEDY = re.compile(
    r"\b(add|allowed|cast|convert|correct|create|expect|fix|flatten|give|has to|have to|ingest|install|keep"
    r"|leave|let|make|must|name|needs?|outside of|permitted|provide|put|raise|remove|rename|return|run|save"
    r"|see|set|shorten|should be|start|take|use|write)\b"
    r"|Failed validating|failed.*severity critical",
    re.IGNORECASE | re.DOTALL,
)


@pytest.mark.filterwarnings("ignore:The condition_parser parameter is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Passing a string to the row_condition:DeprecationWarning")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.id)
def test_a_wrong_input_is_refused_at_once_and_says_what_to_do(
    wrong: Wrong, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises((MillraceError, ParamValidationError)) as caught:
        wrong.give(tmp_path)
    error, message = caught.value, str(caught.value)
    assert type(error) is wrong.error, message
    assert wrong.says in message
    assert len(message) < MAX_MESSAGE
    assert REMEDY.search(message), message
    if isinstance(error, MillraceError):  # Airflow refuses the others before there is a run
        assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=4).action is RetryAction.FAIL
    told = "".join([*traceback.format_exception(error), caplog.text, *capfd.readouterr()])
    assert [mark for mark in MARKS if mark in told] == []


def test_there_are_many_and_each_is_another() -> None:
    assert len(WRONG) >= LEAST
    assert [name for name, count in Counter(wrong.id for wrong in WRONG).items() if count > 1] == []
    assert {len(kind.WRONG) > 0 for kind in KINDS} == {True}
