"""What the DAG files are wired from: one DAG a stage and pipeline, its schedule, params and macros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, BaseOperator, CronTriggerTimetable, Param, get_parsing_context
from jinja2 import pass_context

from include import catalog
from include.settings import settings
from include.spec import Pipeline
from millrace import retries
from millrace.operators.model import ApproveOperator
from millrace.run import days, identity

INTERVAL_PARAMS = {
    "start": Param(
        None,
        type=["null", "string"],
        format="date",
        title="First day",
        description="Replaces the schedule's interval. Given alone, that one day.",
    ),
    "end": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Last day",
        description="Included. Given alone, that one day.",
    ),
}
TRAIN_PARAMS = {
    "reason": Param(
        "asked for by hand",
        type="string",
        minLength=3,
        maxLength=500,
        title="Why",
        description="Goes into the ledger.",
    ),
    "ref": Param(
        None,
        type=["null", "string"],
        minLength=1,
        title="Data version",
        description="A branch, tag or commit of the lake; empty: the pipeline's branch as it is now.",
    ),
    "until": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Last day to learn from",
        description="Empty: the newest partition of that version.",
    ),
    "params": Param(
        {}, type="object", title="Model parameters", description="Laid over `model.params` of pipeline.yaml."
    ),
}


def pipelines(stage: str) -> Iterator[Pipeline]:
    """The pipelines whose DAGs of this stage are to be built now.

    While a task starts, Airflow parses the file for one DAG only: then that pipeline alone is read, so
    that starting a task costs the same with one pipeline and with a thousand. Broken pipelines are left
    out here and reported by dags/broken.py, so that none hides the others.
    """
    wanted, folder = get_parsing_context().dag_id, settings().pipelines
    if wanted is None:
        yield from catalog.valid(folder)
        return
    for name in catalog.names(folder):
        if wanted == dag_id(name, stage) and isinstance(found := catalog.read(folder / name), Pipeline):
            yield found


def raise_faults() -> None:
    """Raise one Misconfigured with the faults of every broken pipeline; nothing if there are none."""
    catalog.raise_faults(settings().pipelines)


def dag_id(pipeline: str, stage: str) -> str:
    """The id of a pipeline's DAG of one stage."""
    return f"{pipeline}.{stage}"


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
    """A DAG of one stage, with everything that the stages have in common.

    Every tick from the day `since` on is run, late ones too; without it only what is due from now on.
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
        default_args=retries.default_args(owner=pipeline.owner, delay=settings().retry_delay),
        params=dict(params),
        tags=[pipeline.name, stage, *pipeline.tags],
        user_defined_macros=_macros(pipeline, cron),
    )


def approval(pipeline: Pipeline, *, version: str, subject: str, body: str) -> list[BaseOperator]:
    """The task that asks a person, where the pipeline's gate wants one; a "no" skips what follows."""
    if not pipeline.gate.approval:
        return []
    return [
        ApproveOperator(
            task_id="approve",
            pipeline=pipeline.name,
            version=version,
            subject=subject,
            body=body,
            response_timeout=pipeline.gate.approval_timeout,
        )
    ]


def table_asset(pipeline: Pipeline) -> Asset:
    """The asset that a published partition of the pipeline's table updates."""
    lake = pipeline.lake
    return Asset(f"lakefs://{lake.repository}/{lake.branch}/{lake.table}")


def model_asset(pipeline: Pipeline) -> Asset:
    """The asset that a new champion updates."""
    return Asset(f"mlflow://{pipeline.name}")


def _midnight(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(timezone))


def _macros(pipeline: Pipeline, cron: str | None) -> dict[str, Any]:
    """Names for templates: a run's days, and names that derive from the run and so survive retries."""
    timezone = pipeline.source.timezone

    @pass_context
    def first_day(context: Any) -> str:
        return days(context, timezone, cron)[0].isoformat()

    @pass_context
    def last_day(context: Any) -> str:
        return days(context, timezone, cron)[1].isoformat()

    @pass_context
    def run_hash(context: Any) -> str:
        return identity(context).short_hash

    @pass_context
    def partition(context: Any) -> str:
        first, last = days(context, timezone, cron)
        return first.isoformat() if first == last else f"{first.isoformat()}_{last.isoformat()}"

    return {"first_day": first_day, "last_day": last_day, "run_hash": run_hash, "partition": partition}
