"""Looks at what the champion of `{pipeline}` saw last night, and retrains it when the policy says so.

**Produces** the champion's predictions in the lake (`{pipeline}_predictions`), one monitoring run a night in
MLflow (experiment `{pipeline}.monitor`) with the numbers and the Evidently report, and, when the policy
fires, one run of `{pipeline}.train`.

**Flow**: `wait_for_data` waits until the night's partition is published, `score` writes predictions,
`measure` compares the window with what the champion learned from, `drift` applies the policy to the
latest verdicts, `retrain` starts the training DAG. The same cause fires once, however often it is run.

**Green with `retrain` skipped** is the normal night. Everything skipped: there is no champion yet.

**When red**: `wait_for_data` timed out (ingestion is late: look there first), or a service stayed away.
Nothing is changed by a red night; drift is judged again the next night.

**Run again**: clear the red task, or trigger the DAG with the day as `end`.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain

from millrace.dag import INTERVAL_PARAMS, dag_id, pipelines, stage_dag
from millrace.jobs import Job, job_operator
from millrace.sensors.drift import DriftSensor
from millrace.sensors.lakefs import PartitionSensor

NIGHT = "{{ last_day() }}"
CHAMPION = "{{ ti.xcom_pull('wait_for_data')['champion'] }}"
DATA = "{{ ti.xcom_pull('wait_for_data')['commit'] }}"
SCORED = "{{ ti.xcom_pull('score')['commit'] }}"
CAUSE = "{{ ti.xcom_pull('drift')['%s'] }}"

for pipeline in pipelines("monitor"):
    with stage_dag(
        pipeline,
        "monitor",
        doc=__doc__,
        cron=pipeline.schedule.monitor,
        params={"end": INTERVAL_PARAMS["end"]},
        max_active_runs=1,
    ):
        wait_for_data = PartitionSensor(task_id="wait_for_data", pipeline=pipeline.name, day=NIGHT)
        score = job_operator(Job.SCORE, pipeline, commit=DATA, until=NIGHT, version=CHAMPION)
        measure = job_operator(
            Job.MEASURE, pipeline, commit=DATA, scored=SCORED, until=NIGHT, version=CHAMPION
        )
        drift = DriftSensor(task_id="drift", pipeline=pipeline.name, night=NIGHT, version=CHAMPION)
        retrain = TriggerDagRunOperator(
            task_id="retrain",
            trigger_dag_id=dag_id(pipeline.name, "train"),
            trigger_run_id=CAUSE % "cause",
            conf={"reason": CAUSE % "reason", "until": CAUSE % "until"},
            skip_when_already_exists=True,
            fail_when_dag_is_paused=True,
        )

        chain(wait_for_data, score, measure, drift, retrain)
