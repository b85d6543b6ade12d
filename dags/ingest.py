"""Brings the rows of `{pipeline}` into the lake, checked before readers see them.

**Produces** one commit on the pipeline's branch with the partitions of the run's days, and an asset event
with the commit, the days and the number of rows. Ingesting a day again replaces it; if nothing changed,
`publish` is skipped: there is no commit and no event.

**Flow**: `wait_for_files`, which only `source.missing: wait` adds, waits for the files of the days.
`open_branch` creates a branch for this run, `load` streams the source into it, `validate` runs the Great
Expectations suite on the branch, `publish` merges it: the one moment at which readers see anything,
atomically for all days. `export`, which only `exports.delta` adds, then writes the commits that the Delta
Lake table lacks, a version for each; it is skipped if there is none.

**When red**: `load` or `validate` is red when the data is bad; then `quarantine` has kept the branch
(`quarantine-…`) with the reason in its commit, and readers still see the former state. Bad data loses
nothing and breaks nothing downstream; the partition is missing until the data is fixed. `publish` is red
when another run published other rows of the same day in the meantime, or another pipeline the same new table,
`wait_for_files` when a file has not come within `source.missing_timeout`: clear it once the file is there.
When `export` is red, the data is published all the same: clear `export` alone, or let the next run catch up.

**Look** at the log of the red task (rule, column and count), then at the report in MLflow that it links to.

**Run again**: fix the source, then clear `open_branch` with everything downstream: it starts on a new branch.
To ingest other days, trigger the DAG with `start` and `end`, or create a backfill of these days; this also
fills in days that were missed, unless `schedule.since` lets cron catch up by itself.
"""

from airflow.sdk import chain

from millrace.dags.builder import export, for_each_pipeline, stage_dag, table_asset, wait_for_files
from millrace.dags.params import INTERVAL_PARAMS
from millrace.operators.ingest import (
    LoadOperator,
    OpenBranchOperator,
    PublishOperator,
    QuarantineOperator,
    ValidateOperator,
)

BRANCH = "ingest-{{ partition() }}-{{ run_hash() }}"
DAYS = {"first": "{{ first_day() }}", "last": "{{ last_day() }}"}
LOADED = "{{ result('load').%s }}"


def build(pipeline):
    """Build the DAG of one pipeline."""
    lake = pipeline.lake
    with stage_dag(
        pipeline,
        "ingest",
        doc=__doc__,
        cron=pipeline.schedule.ingest,
        params=INTERVAL_PARAMS,
        max_active_runs=4,
        since=pipeline.schedule.since,
    ):
        open_branch = OpenBranchOperator(
            task_id="open_branch", repository=lake.repository, branch=BRANCH, source=lake.branch, replace=True
        )
        load = LoadOperator(
            task_id="load",
            pipeline_name=pipeline.name,
            branch=BRANCH,
            execution_timeout=pipeline.source.timeout,
            **DAYS,
        )
        validate = ValidateOperator(
            task_id="validate",
            pipeline_name=pipeline.name,
            branch=BRANCH,
            execution_timeout=pipeline.validation.timeout,
            **DAYS,
        )
        publish = PublishOperator(
            task_id="publish",
            pipeline_name=pipeline.name,
            repository=lake.repository,
            source=BRANCH,
            into=lake.branch,
            metadata={
                "pipeline": pipeline.name,
                "partition": "{{ partition() }}",
                "rows": LOADED % "rows",
                "source_checksum": LOADED % "source_checksum",
            },
            outlets=[table_asset(pipeline)],
        )
        quarantine = QuarantineOperator(
            task_id="quarantine", pipeline_name=pipeline.name, branch=BRANCH, trigger_rule="one_failed"
        )

        chain(*wait_for_files(pipeline, **DAYS), open_branch, load, validate, publish, *export(pipeline))
        [load, validate] >> quarantine


for_each_pipeline("ingest", build)
