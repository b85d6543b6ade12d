"""Brings the rows of `{pipeline}` into the lake, checked before readers see them.

**Produces** one commit on the pipeline's branch with the partitions of the run's days, and an asset event
with the commit, the days and the number of rows. Ingesting a day again replaces it; if nothing changed,
`publish` is skipped: there is no commit and no event. With `schedule.refresh` a run of cron reads the days
before its own again.

**Flow**: `wait_for_files`, which only `source.missing: wait` adds, waits for the files of the days.
`open_branch` creates a branch for this run, `load` streams the source into it, `validate` runs the Great
Expectations suite on the branch, `publish` merges it: the one moment at which readers see anything,
atomically for all days. `export`, which only `exports.delta` adds, then writes the commits that the Delta
Lake table lacks, a version for each; it is skipped if there is none.

**When red**: `load` or `validate` is red when the data is bad; then `quarantine` has kept the branch
(`quarantine-…`) with the reason in its commit, and readers still see the former state. Bad data loses
nothing and breaks nothing downstream; the partition is missing until the data is fixed, or a person accepts
it by `{pipeline}.decide`. With `validation.publish: good_partitions` the bad days alone are kept there, the
others are published, and `report_bad_days` is red until somebody has decided. `publish` is red
when another run published other rows of the same day in the meantime, or another pipeline the same new table,
`wait_for_files` when a file has not come within `source.missing_timeout`: clear it once the file is there.
When `export` is red, the data is published all the same: clear `export` alone, or let the next run catch up.

**Look** at the log of the red task (rule, column and count), then at the report in MLflow that it links to.

**Run again**: fix the source, then clear `open_branch` with everything downstream: it starts on a new branch.
To ingest other days, trigger the DAG with `start` and `end`, or create a backfill of these days; this also
fills in days that were missed, unless `schedule.since` lets cron catch up by itself.
"""

from airflow.sdk import chain

from millrace.dags.builder import export, for_each_pipeline, stage_dag
from millrace.dags.ingestion import ingestion_steps
from millrace.dags.params import INTERVAL_PARAMS


def build(pipeline):
    """Build the DAG of one pipeline."""
    schedule = pipeline.schedule
    with stage_dag(
        pipeline,
        "ingest",
        doc=__doc__,
        cron=schedule.ingest,
        params=INTERVAL_PARAMS,
        max_active_runs=1 if schedule.refresh else 4,  # runs that look back would get in each other's way
        since=schedule.since,
        refresh=schedule.refresh,
    ):
        steps = ingestion_steps(pipeline, pipeline.feed())

        chain(*steps.wait_for_files, steps.open_branch, steps.load, steps.validate, steps.publish)
        steps.publish >> [*export(pipeline), *steps.report_bad_days]
        [steps.load, steps.validate] >> steps.quarantine


for_each_pipeline("ingest", build)
