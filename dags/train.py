"""Trains `{pipeline}` on one version of its data and lets the gate decide about the result.

**Produces** a training run in MLflow; if the gate passes it, a registered version that becomes
`champion` (the former one becomes `previous`); an entry in the ledger either way.

**Flow**: `pin` resolves the data version to a commit and tags it, `train` fits and logs the model,
`evaluate` scores it and the champion on the same held-out rows, `gate` decides, `register` creates the
version, `promote` moves the aliases. With `gate.approval` a person has to approve before `promote`.

**Green with skipped tasks** means that the gate (or the person) refused the candidate: a normal outcome.
The reasons are in the log of `gate` and in the ledger.

**When red**: too little data, a service that was unavailable, or model code that failed; the champion is
unchanged. **Look** at the log of the red task, then at the run in MLflow's experiment `{pipeline}.train`.

**Run again**: clear the red task; finished steps are found and not repeated. The retrain trigger, other
systems and people start this DAG with `reason`, and optionally `ref`, `until` and `params`.
"""

from airflow.sdk import chain

from millrace.dags.builder import approval, for_each_pipeline, model_asset, stage_dag
from millrace.dags.params import TRAIN_PARAMS
from millrace.operators.governance import GateOperator, PromoteOperator, RegisterOperator
from millrace.operators.snapshot import PinOperator
from millrace.runtimes.factory import Job, job_operator

PINNED = {
    "commit": "{{ result('pin').commit }}",
    "until": "{{ result('pin').until }}",
}
TRAINED = "{{ result('train').run_id }}"
REGISTERED = "{{ result('register').version }}"


def build(pipeline):
    """Build the DAG of one pipeline."""
    with stage_dag(
        pipeline,
        "train",
        doc=__doc__,
        cron=pipeline.schedule.train,
        params=TRAIN_PARAMS,
        max_active_runs=1,
    ):
        pin = PinOperator(
            task_id="pin",
            pipeline_name=pipeline.name,
            ref="{{ params.ref or '' }}",
            until="{{ learn_until() }}",
            tag="train-{{ run_hash() }}",
        )
        train = job_operator(Job.TRAIN, pipeline, **PINNED, params="{{ params.params | tojson }}")
        evaluate = job_operator(Job.EVALUATE, pipeline, **PINNED, candidate=TRAINED)
        gate = GateOperator(task_id="gate", pipeline_name=pipeline.name, scores_from="evaluate")
        register = RegisterOperator(task_id="register", pipeline_name=pipeline.name, training_run=TRAINED)
        approve = approval(
            pipeline,
            version=REGISTERED,
            subject=f"Make the candidate the champion of {pipeline.name}?",
            body="Version " + REGISTERED + ": {{ result('gate').reasons | join('; ') }}",
        )
        promote = PromoteOperator(
            task_id="promote",
            pipeline_name=pipeline.name,
            version=REGISTERED,
            scores_from="evaluate",
            reason="{{ params.reason }}",
            outlets=[model_asset(pipeline)],
        )

        chain(pin, train, evaluate, gate, register, *approve, promote)


for_each_pipeline("train", build)
