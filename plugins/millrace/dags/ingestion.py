"""The steps of an ingestion: the same for rows and for labels, each into a table of its own."""

from __future__ import annotations

from typing import NamedTuple

from airflow.sdk import BaseOperator

from include.contract.feed import Feed, Stage
from include.contract.pipeline import Pipeline
from millrace.dags.builder import feed_asset, report_bad_days, wait_for_files
from millrace.operators.ingest import (
    LoadOperator,
    OpenBranchOperator,
    PublishOperator,
    QuarantineOperator,
    ValidateOperator,
)

__all__ = ["Stage", "ingestion_steps"]

_DAYS = {"first": "{{ first_day() }}", "last": "{{ last_day() }}", "new_from": "{{ new_day() }}"}
_NEW_DAYS = {"first": "{{ new_day() }}", "last": "{{ last_day() }}"}
_LOADED = "{{ result('load').%s }}"
_GOOD_ROWS = "{{ result('load').rows - result('validate').left_out_rows }}"


class Steps(NamedTuple):
    """The tasks of an ingestion; the lists are empty unless the contract waits, or leaves bad days out."""

    wait_for_files: list[BaseOperator]
    open_branch: BaseOperator
    load: BaseOperator
    validate: BaseOperator
    publish: BaseOperator
    report_bad_days: list[BaseOperator]
    quarantine: BaseOperator


def ingestion_steps(pipeline: Pipeline, feed: Feed) -> Steps:
    """Return the tasks that bring a feed of a pipeline, within its DAG; the caller orders them."""
    lake, branch = pipeline.lake, f"{feed.stage.value}-{{{{ partition() }}}}-{{{{ run_hash() }}}}"
    works_for = {"pipeline_name": pipeline.name, "stage": feed.stage.value}
    return Steps(
        wait_for_files=wait_for_files(feed, **_NEW_DAYS),
        open_branch=OpenBranchOperator(
            task_id="open_branch", repository=lake.repository, branch=branch, source=lake.branch, replace=True
        ),
        load=LoadOperator(
            task_id="load",
            branch=branch,
            execution_timeout=feed.source.timeout,
            **works_for,
            **_DAYS,
        ),
        validate=ValidateOperator(
            task_id="validate",
            branch=branch,
            loaded=_LOADED % "commit",
            base="{{ result('open_branch').commit }}",
            execution_timeout=pipeline.validation.timeout,
            **works_for,
            **_DAYS,
        ),
        publish=PublishOperator(
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
        ),
        report_bad_days=report_bad_days(pipeline, feed, checked_by="validate"),
        quarantine=QuarantineOperator(
            task_id="quarantine", branch=branch, trigger_rule="one_failed", **works_for, **_DAYS
        ),
    )
