"""Build the DAG of a stage for a pipeline: schedule, retries, parameters, macros, assets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, BaseOperator, CronTriggerTimetable, Param, get_parsing_context

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.settings import settings
from millrace.dags import retries
from millrace.dags.macros import macros
from millrace.dags.params import check_conf
from millrace.operators.governance import ApproveOperator


def pipelines(stage: str) -> Iterator[Pipeline]:
    """Yield the pipelines whose DAGs of this stage are to be built now.

    While a task starts, Airflow parses the file for one DAG only: then that pipeline alone is read, so
    that starting a task costs the same with one pipeline and with a thousand. Invalid pipelines are left
    out here and reported by dags/contract_errors.py, so that none hides the others.
    """
    parsed_dag_id, folder = get_parsing_context().dag_id, settings().pipelines
    if parsed_dag_id is None:
        yield from loader.valid(folder)
        return
    for name in loader.names(folder):
        if parsed_dag_id == dag_id(name, stage) and isinstance(found := loader.read(folder / name), Pipeline):
            yield found


def raise_faults() -> None:
    """Raise one Misconfigured with the faults of every invalid pipeline, if there are any."""
    loader.raise_faults(settings().pipelines)


def dag_id(pipeline_name: str, stage: str) -> str:
    """Return the id of a pipeline's DAG of one stage."""
    return f"{pipeline_name}.{stage}"


def stage_dag(
    pipeline: Pipeline,
    stage: str,
    *,
    doc: str,
    cron: str | None,
    params: Mapping[str, Param],
    max_active_runs: int,
    since: date | None = None,
) -> DAG:
    """Return the DAG of one stage, with everything that the stages have in common.

    Every tick from the day `since` on is run, also those missed; without it only ticks from now on.
    """
    return DAG(
        dag_id=dag_id(pipeline.name, stage),
        description=f"{pipeline.description} ({doc.strip().splitlines()[0]})",
        doc_md=doc.replace("{pipeline}", pipeline.name),
        schedule=CronTriggerTimetable(cron, timezone=pipeline.source.timezone) if cron else None,
        start_date=_midnight(since, pipeline.source.timezone) if since else None,
        catchup=since is not None,
        max_active_runs=max_active_runs,
        is_paused_upon_creation=False,
        default_args={
            **retries.default_args(owner=pipeline.owner, delay=settings().airflow.retry_delay),
            "pre_execute": check_conf,
        },
        params=dict(params),
        tags=[pipeline.name, stage, *pipeline.tags],
        user_defined_macros=macros(pipeline, cron),
    )


def approval(pipeline: Pipeline, *, version: str, subject: str, body: str) -> list[BaseOperator]:
    """Return the task that requests approval, if the pipeline's gate requires one."""
    if not pipeline.gate.approval:
        return []
    return [
        ApproveOperator(
            task_id="approve",
            pipeline_name=pipeline.name,
            version=version,
            subject=subject,
            body=body,
            response_timeout=pipeline.gate.approval_timeout,
        )
    ]


def table_asset(pipeline: Pipeline) -> Asset:
    """Return the asset that a published partition of the pipeline's table updates."""
    lake = pipeline.lake
    return Asset(f"lakefs://{lake.repository}/{lake.branch}/{lake.table}")


def model_asset(pipeline: Pipeline) -> Asset:
    """Return the asset that a new champion updates."""
    return Asset(f"mlflow://{pipeline.name}")


def _midnight(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(timezone))
