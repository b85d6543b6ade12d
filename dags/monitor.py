"""Compares a day's data with what the champion of `{pipeline}` learned from, and retrains it if needed.

**Produces** the champion's predictions in the lake (`{pipeline}_predictions`), one monitoring run a day in
MLflow (experiment `{pipeline}.monitor`) with the numbers and the Evidently report, and, when the policy
says so, one run of `{pipeline}.train`.

**Flow**: `wait_for_data` waits until the day's partition is published, `champion` finds the version in
production, `score` writes its predictions, `measure` compares the window with what the champion learned from,
`drift` applies the policy to the latest verdicts, `retrain` starts the training DAG. The same cause starts
it once, however often it is run. `sweep`, on the side, closes MLflow runs of the pipeline that stayed RUNNING
although their DAG run is over.

**Green with `retrain` skipped** is the normal day. Everything after `champion` skipped: there is no champion
yet.

**When red**: `wait_for_data` timed out (ingestion is late: look there first), a service was unavailable, or
the champion cannot score the rows of today: the message says why, and `{pipeline}.train` needs no champion.
Nothing is changed by a red run; drift is assessed again the next day.

**Run again**: clear the red task, or trigger the DAG with the day as `end`.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain

from millrace.dags.builder import dag_id, for_each_pipeline, stage_dag
from millrace.dags.params import INTERVAL_PARAMS
from millrace.operators.champion import ChampionOperator
from millrace.operators.sweep import SweepOperator
from millrace.runtimes.factory import Job, job_operator
from millrace.sensors.drift import DriftSensor
from millrace.sensors.partition import PartitionSensor

DAY = "{{ last_day() }}"
DATA = "{{ result('wait_for_data').commit }}"
CHAMPION = "{{ result('champion').version }}"
SCORED = "{{ result('score').commit }}"
DECISION = "{{ result('drift').%s }}"


def build(pipeline):
    """Build the DAG of one pipeline."""
    with stage_dag(
        pipeline,
        "monitor",
        doc=__doc__,
        cron=pipeline.schedule.monitor,
        params={"end": INTERVAL_PARAMS["end"]},
        max_active_runs=1,
    ):
        SweepOperator(task_id="sweep", pipeline_name=pipeline.name)
        wait_for_data = PartitionSensor(task_id="wait_for_data", pipeline_name=pipeline.name, day=DAY)
        champion = ChampionOperator(task_id="champion", pipeline_name=pipeline.name)
        score = job_operator(Job.SCORE, pipeline, commit=DATA, until=DAY, version=CHAMPION)
        measure = job_operator(
            Job.MEASURE, pipeline, commit=DATA, predictions_commit=SCORED, until=DAY, version=CHAMPION
        )
        drift = DriftSensor(task_id="drift", pipeline_name=pipeline.name, as_of=DAY, version=CHAMPION)
        retrain = TriggerDagRunOperator(
            task_id="retrain",
            trigger_dag_id=dag_id(pipeline.name, "train"),
            trigger_run_id=DECISION % "cause",
            conf={"reason": DECISION % "reason", "until": DECISION % "until"},
            skip_when_already_exists=True,
            fail_when_dag_is_paused=True,
        )

        chain(wait_for_data, champion, score, measure, drift, retrain)


for_each_pipeline("monitor", build)
