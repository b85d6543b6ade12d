"""Which failures are retried."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from include.exceptions import (
    Absent,
    BadData,
    Busy,
    Conflict,
    Fault,
    JobFailed,
    Misconfigured,
    PipelineInvalid,
    Unavailable,
)
from millrace.dags.retries import RETRY_POLICY, default_args


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (Unavailable("x"), RetryAction.DEFAULT),
        (KeyError("unknown cause"), RetryAction.DEFAULT),
        (Misconfigured("x"), RetryAction.FAIL),
        (PipelineInvalid("f", [Fault("a", "b")]), RetryAction.FAIL),
        (BadData("x"), RetryAction.FAIL),
        (Absent("x"), RetryAction.FAIL),
        (Conflict("x"), RetryAction.FAIL),
        (JobFailed("x"), RetryAction.FAIL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_may_go_away_is_retried(error: Exception, action: RetryAction) -> None:
    assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=4).action is action


def test_what_others_use_is_waited_for_an_hour() -> None:
    found = RETRY_POLICY.evaluate(Busy("x"), try_number=1, max_tries=4)
    assert (found.action, found.retry_delay) == (RetryAction.RETRY, timedelta(minutes=15))


def test_waits_double_and_are_bounded() -> None:
    arguments = default_args(owner="me", delay=timedelta(seconds=10))
    assert (arguments["retries"], arguments["retry_exponential_backoff"]) == (4, True)
    assert arguments["max_retry_delay"] == timedelta(seconds=80)
