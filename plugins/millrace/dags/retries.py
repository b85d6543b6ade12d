"""Retries: which failures are tried again, and after which wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from include.exceptions import Absent, BadData, Busy, Conflict, JobFailed, Misconfigured, Transient

BUSY_DELAY = timedelta(minutes=15)
"""An hour over all tries of a task: as long as a training may take by default."""

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(Busy, RetryAction.RETRY, BUSY_DELAY, reason="busy: others have to be done first"),
        RetryRule(Transient, RetryAction.DEFAULT, reason="transient: waits and tries again"),
        RetryRule(
            [Misconfigured, BadData, Absent, Conflict, JobFailed],
            RetryAction.FAIL,
            reason="a retry cannot help: see the remedy in the message",
        ),
    ],
    default=RetryAction.DEFAULT,
)


def default_args(*, owner: str, delay: timedelta) -> dict[str, Any]:
    """Return the arguments that every task of every DAG shares; waits double from `delay` on."""
    return {
        "owner": owner,
        "retries": 4,
        "retry_delay": delay,
        "retry_exponential_backoff": True,
        "max_retry_delay": delay * 8,
        "retry_policy": RETRY_POLICY,
    }
