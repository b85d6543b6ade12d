"""The DAG of an ingestion: the same steps for rows and for labels, each into a table of its own."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import chain

from include.contract.feed import DECIDE, Feed, Stage
from include.contract.pipeline import Pipeline
from millrace.dags.builder import export, feed_asset, report_bad_days, stage_dag, wait_for_files
from millrace.dags.params import INTERVAL_PARAMS
from millrace.operators.ingest import (
    LoadOperator,
    OpenBranchOperator,
    PublishOperator,
    QuarantineOperator,
    ValidateOperator,
)

__all__ = ["DECIDE", "Stage", "ingestion_dag"]

_DAYS = {"first": "{{ first_day() }}", "last": "{{ last_day() }}", "new_from": "{{ new_day() }}"}
_NEW_DAYS = {"first": "{{ new_day() }}", "last": "{{ last_day() }}"}
_LOADED = "{{ result('load').%s }}"
_GOOD_ROWS = "{{ result('load').rows - result('validate').left_out_rows }}"


def ingestion_dag(
    pipeline: Pipeline, feed: Feed, *, doc: str, cron: str | None, refresh: timedelta | None = None
) -> None:
    """Build the DAG that brings a feed of a pipeline.

    Runs of the schedule read as many days again as `refresh` says; as these would get in each other's way,
    there is then one run at a time.
    """
    lake, branch = pipeline.lake, f"{feed.stage.value}-{{{{ partition() }}}}-{{{{ run_hash() }}}}"
    works_for = {"pipeline_name": pipeline.name, "stage": feed.stage.value}
    with stage_dag(
        pipeline,
        feed.stage.value,
        doc=doc,
        cron=cron,
        params=INTERVAL_PARAMS,
        max_active_runs=1 if refresh else 4,
        since=pipeline.schedule.since,
        source=feed.source,
        refresh=refresh,
    ):
        open_branch = OpenBranchOperator(
            task_id="open_branch", repository=lake.repository, branch=branch, source=lake.branch, replace=True
        )
        load = LoadOperator(
            task_id="load",
            branch=branch,
            execution_timeout=feed.source.timeout,
            **works_for,
            **_DAYS,
        )
        validate = ValidateOperator(
            task_id="validate",
            branch=branch,
            loaded=_LOADED % "commit",
            base="{{ result('open_branch').commit }}",
            execution_timeout=pipeline.validation.timeout,
            **works_for,
            **_DAYS,
        )
        publish = PublishOperator(
            task_id="publish",
            repository=lake.repository,
            source=branch,
            into=lake.branch,
            metadata={
                "pipeline": pipeline.name,
                "partition": "{{ partition() }}",
                "rows": _GOOD_ROWS if pipeline.validation.leaves_out else _LOADED % "rows",
                "source_checksum": _LOADED % "source_checksum",
            },
            outlets=[feed_asset(feed, lake)],
            **works_for,
        )
        quarantine = QuarantineOperator(
            task_id="quarantine", branch=branch, trigger_rule="one_failed", **works_for, **_DAYS
        )

        exports = export(pipeline) if feed.stage is Stage.INGEST else []
        chain(*wait_for_files(feed, **_NEW_DAYS), open_branch, load, validate, publish)
        publish >> [*exports, *report_bad_days(pipeline, feed, checked_by="validate")]
        [load, validate] >> quarantine
