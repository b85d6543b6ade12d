"""The steps of a decision about quarantined data: the same for rows and for labels."""

from __future__ import annotations

from typing import NamedTuple

from airflow.sdk import BaseOperator

from include.contract.feed import Feed
from include.contract.pipeline import Pipeline
from millrace.dags.builder import feed_asset
from millrace.operators.decide import AcceptOperator, DiscardOperator, FindQuarantineOperator, ReviewOperator

_BRANCH = "accept-{{ run_hash() }}"
_REASON = "{{ params.reason }}"


class Steps(NamedTuple):
    """The tasks of a decision: `discard`, or `validate` and `publish`, are skipped by `find`."""

    find: BaseOperator
    validate: BaseOperator
    publish: BaseOperator
    discard: BaseOperator


def decision_steps(pipeline: Pipeline, feed: Feed) -> Steps:
    """Return the tasks that decide about what a feed brought, within their DAG; the caller orders them."""
    works_for = {"pipeline_name": pipeline.name, "stage": feed.stage.value}
    return Steps(
        find=FindQuarantineOperator(
            task_id="find",
            quarantine="{{ params.quarantine }}",
            skipped="{{ 'discard' if params.decision == 'accept' else 'validate' }}",
            **works_for,
        ),
        validate=ReviewOperator(
            task_id="validate",
            found_by="find",
            branch=_BRANCH,
            execution_timeout=pipeline.validation.timeout,
            **works_for,
        ),
        publish=AcceptOperator(
            task_id="publish",
            found_by="find",
            reviewed_by="validate",
            branch=_BRANCH,
            reason=_REASON,
            outlets=[feed_asset(feed, pipeline.lake)],
            **works_for,
        ),
        discard=DiscardOperator(task_id="discard", found_by="find", reason=_REASON, **works_for),
    )
