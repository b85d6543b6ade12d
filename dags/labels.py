"""Brings the labels of `{pipeline}` into the lake, checked before readers see them.

**Produces** one commit on the pipeline's branch with the partitions of the run's days in the table of
labels (`…_labels`), and an asset event of that table with the commit, the days and the number of labels.
Bringing a day again replaces it; if nothing changed, `publish` is skipped: there is no commit and no event.
Trainings and monitoring join labels and rows by `labels.keys`, at one commit; the newest partition wins.

**Flow**: as `{pipeline}.ingest`: `wait_for_files`, which only `labels.source.missing: wait` adds,
`open_branch`, `load`, `validate`, `publish`, or `quarantine`. `validate` runs the suite of the labels, if
there is one, and checks what the join needs: keys that are there, and one target a day for each.

**When red**: `load` or `validate` is red when the labels are bad; then `quarantine` has kept the branch
(`quarantine-labels-…`) with the reason in its commit, and readers still see the labels of before. `publish`
is red when another run published other labels of the same day in the meantime, `wait_for_files` when a file
has not come within `labels.source.missing_timeout`: clear it once the file is there.

**Look** at the log of the red task (rule, column and count), then at the report in MLflow that it links to.

**Run again**: fix the source, then clear `open_branch` with everything downstream: it starts on a new branch.
For corrections of earlier days, trigger the DAG with `start` and `end`, or let `labels.refresh` look back.
"""

from airflow.sdk import chain

from millrace.dags.builder import for_each_pipeline, stage_dag
from millrace.dags.ingestion import Stage, ingestion_steps
from millrace.dags.params import INTERVAL_PARAMS


def build(pipeline):
    """Build the DAG of one pipeline, if its labels have a source of their own."""
    if pipeline.labels is None:
        return
    feed, refresh = pipeline.feed(Stage.LABELS), pipeline.labels.refresh
    with stage_dag(
        pipeline,
        "labels",
        doc=__doc__,
        cron=pipeline.schedule.labels,
        params=INTERVAL_PARAMS,
        max_active_runs=1 if refresh else 4,  # runs that look back would get in each other's way
        since=pipeline.schedule.since,
        source=feed.source,
        refresh=refresh,
    ):
        steps = ingestion_steps(pipeline, feed)

        chain(*steps.wait_for_files, steps.open_branch, steps.load, steps.validate, steps.publish)
        steps.publish >> steps.report_bad_days
        [steps.load, steps.validate] >> steps.quarantine


for_each_pipeline("labels", build)
