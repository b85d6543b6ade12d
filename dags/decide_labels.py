"""Takes a person's decision about quarantined labels of `{pipeline}`: publish them, or discard them.

**Produces** with `accept` one commit on the pipeline's branch with the quarantined days that have rows, and
an asset event as `{pipeline}.labels` makes it; with `discard` nothing but the removal of the quarantine. The
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

from airflow.sdk import chain

from millrace.dags.builder import for_each_pipeline, stage_dag
from millrace.dags.decision import decision_steps
from millrace.dags.ingestion import Stage
from millrace.dags.params import DECIDE_PARAMS


def build(pipeline):
    """Build the DAG of one pipeline, if its labels have a source of their own."""
    if pipeline.labels is None:
        return
    with stage_dag(
        pipeline,
        "decide_labels",
        doc=__doc__,
        cron=None,
        params=DECIDE_PARAMS,
        max_active_runs=1,
    ):
        steps = decision_steps(pipeline, pipeline.feed(Stage.LABELS))

        chain(steps.find, steps.validate, steps.publish)
        steps.find >> steps.discard


for_each_pipeline("decide_labels", build)
