"""Takes a person's decision about quarantined data of `{pipeline}`: publish it as it is, or discard it.

**Produces** with `accept` one commit on the pipeline's branch with the quarantined days that have rows, and
an asset event as the ingestion makes it; with `discard` nothing but the removal of the quarantine. The
reason, who started the run and the rules that failed are in the ledger, and in the metadata of the commit.

**Flow**: `find` looks up the quarantine. To accept it, `validate` brings its days to a branch of this run and
runs the suite, which is reported and stops nothing; `publish` merges them. Otherwise `discard` removes it.

**When red**: `find` names the quarantines that there are, or the run that has decided already. `validate`
refuses what nobody can accept: rows that could not be read, days without rows, columns that the contract
needs or that have other types by now, days that have been published with other rows since. A red run has
published nothing; the quarantine is still there unless another run has decided.

**Look** at the log of the red task; at the report in MLflow that `validate` links to.

**Run again**: clear the red task, or start another run. What a run has decided it does not decide again.
"""

from functools import partial

from airflow.sdk import chain

from millrace.dags.builder import feed_asset, for_each_pipeline, stage_dag
from millrace.dags.ingestion import DECIDE
from millrace.dags.params import DECIDE_PARAMS
from millrace.operators.decide import AcceptOperator, DiscardOperator, FindQuarantineOperator, ReviewOperator

BRANCH = "accept-{{ run_hash() }}"
REASON = "{{ params.reason }}"


def build(stage, pipeline):
    """Build the DAG of one pipeline, for what one of its ingestions brings."""
    feed = next((feed for feed in pipeline.feeds if feed.stage is stage), None)
    if feed is None:
        return
    works_for = {"pipeline_name": pipeline.name, "stage": stage.value}
    with stage_dag(
        pipeline,
        DECIDE[stage],
        doc=__doc__,
        cron=None,
        params=DECIDE_PARAMS,
        max_active_runs=1,
        source=feed.source,
    ):
        find = FindQuarantineOperator(
            task_id="find",
            quarantine="{{ params.quarantine }}",
            skipped="{{ 'discard' if params.decision == 'accept' else 'validate' }}",
            **works_for,
        )
        validate = ReviewOperator(
            task_id="validate",
            found_by="find",
            branch=BRANCH,
            execution_timeout=pipeline.validation.timeout,
            **works_for,
        )
        publish = AcceptOperator(
            task_id="publish",
            found_by="find",
            reviewed_by="validate",
            branch=BRANCH,
            reason=REASON,
            outlets=[feed_asset(feed, pipeline.lake)],
            **works_for,
        )
        discard = DiscardOperator(task_id="discard", found_by="find", reason=REASON, **works_for)

        chain(find, validate, publish)
        find >> discard


for ingestion, decision in DECIDE.items():
    for_each_pipeline(decision, partial(build, ingestion))
