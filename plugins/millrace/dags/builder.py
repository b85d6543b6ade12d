"""Build the DAG of a stage for a pipeline: schedule, retries, parameters, macros, assets."""

from __future__ import annotations

import logging
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, BaseOperator, Param, get_parsing_context

from include.contract import loader
from include.contract.containment import contain
from include.contract.data import LakeTable, OnMissing, Source
from include.contract.feed import Feed
from include.contract.pipeline import Pipeline
from include.exceptions import Fault, Misconfigured, PipelineInvalid
from include.settings import settings
from millrace.dags import retries
from millrace.dags.macros import macros
from millrace.dags.params import check_conf
from millrace.dags.timetable import DayTimetable
from millrace.operators.export import ExportOperator
from millrace.operators.governance import ApproveOperator
from millrace.operators.ingest import ReportBadDaysOperator
from millrace.sensors.source import SourceSensor

_log = logging.getLogger(__name__)


class _Trial(NamedTuple):
    """The pipelines whose DAGs are built on trial, and the errors so far."""

    results: list[Pipeline | PipelineInvalid]
    errors: list[PipelineInvalid]


_current_trial: ContextVar[_Trial | None] = ContextVar("_current_trial", default=None)


def for_each_pipeline(stage: str, build: Callable[[Pipeline], None]) -> None:
    """Build the DAG of a stage for every pipeline that has to have it now.

    While a task starts, Airflow parses the file for one DAG only: then that pipeline alone is read, so
    that starting a task costs the same with one pipeline and with a thousand. A pipeline that cannot be read,
    or whose DAG cannot be built, is left out here and reported by dags/contract_errors.py, so that none
    reaches the others.
    """
    for result in _pipelines(stage):
        if isinstance(result, Pipeline):
            _build(stage, build, result)


def raise_errors(stages: Iterable[Path]) -> None:
    """Raise one Misconfigured with every error of every pipeline, if there are any.

    The DAG files `stages` are run on trial, as the DAGs that they could not build show nowhere else.
    """
    faults: dict[str, list[Fault]] = {}
    folder = settings().pipelines
    results = list(loader.read_all(folder))
    for error in (*loader.errors(folder, results), *_try(stages, results)):
        faults.setdefault(error.file, []).extend(error.faults)
    if faults:
        raise Misconfigured("\n\n".join(str(PipelineInvalid(file, found)) for file, found in faults.items()))


def _try(stages: Iterable[Path], results: list[Pipeline | PipelineInvalid]) -> list[PipelineInvalid]:
    errors: list[PipelineInvalid] = []
    token = _current_trial.set(_Trial(results, errors))
    try:
        for file in stages:
            ran = contain(partial(runpy.run_path, str(file)), file=file, action="running it")
            errors += [ran] if isinstance(ran, PipelineInvalid) else []
    finally:
        _current_trial.reset(token)
    return errors


def _build(stage: str, build: Callable[[Pipeline], None], pipeline: Pipeline) -> None:
    contract = settings().pipelines / pipeline.name / loader.CONTRACT
    action = f"building the DAG {dag_id(pipeline.name, stage)!r}"
    built = contain(partial(build, pipeline), file=contract, action=action)
    if isinstance(built, PipelineInvalid):
        _log.error("%s", built)
        if trial := _current_trial.get():
            trial.errors.append(built)


def _pipelines(stage: str) -> Iterator[Pipeline | PipelineInvalid]:
    parsed_dag_id, folder = get_parsing_context().dag_id, settings().pipelines
    trial = _current_trial.get()
    if trial or parsed_dag_id is None:
        yield from trial.results if trial else loader.read_all(folder)
        return
    for name in loader.names(folder):
        if parsed_dag_id == dag_id(name, stage):
            found = loader.read(folder / name)
            if isinstance(found, PipelineInvalid):
                _log.error("%s", found)  # in the log of the task, which will not find its DAG
            yield found


def dag_id(pipeline_name: str, stage: str) -> str:
    """Return the id of a pipeline's DAG of one stage."""
    return f"{pipeline_name}.{stage}"


@contextmanager
def stage_dag(
    pipeline: Pipeline,
    stage: str,
    *,
    doc: str,
    cron: str | None,
    params: Mapping[str, Param],
    max_active_runs: int,
    since: date | None = None,
    source: Source | None = None,
    refresh: timedelta | None = None,
) -> Iterator[DAG]:
    """Yield the DAG of one stage, entered, with everything that the stages have in common.

    The schedule brings every day from `since` on, also those missed; without it only ticks from now on run.
    Its runs read the days within `refresh` before theirs again. Days begin where those of `source` do, by
    default that of the rows. Airflow sees the DAG once the block has ended without an error, so never half of
    one.
    """
    source = source or pipeline.source
    dag = DAG(
        dag_id=dag_id(pipeline.name, stage),
        description=f"{pipeline.description} ({doc.strip().splitlines()[0]})",
        doc_md=doc.replace("{pipeline}", pipeline.name),
        schedule=DayTimetable(cron, timezone=source.timezone) if cron else None,
        start_date=_midnight(since, source.timezone) if since else None,
        catchup=since is not None,
        max_active_runs=max_active_runs,
        is_paused_upon_creation=False,
        default_args={
            **retries.default_args(owner=pipeline.owner, delay=settings().airflow.retry_delay),
            "pre_execute": check_conf,
        },
        params=dict(params),
        tags=[pipeline.name, stage, *pipeline.tags],
        user_defined_macros=macros(pipeline, source, cron, since, refresh),
        auto_register=False,
    )
    with dag:
        yield dag
    # Airflow checks these too, but takes a failure for one of the file, and with it of every pipeline.
    dag.validate()
    dag.check_cycle()
    if _current_trial.get() is None:
        dag.auto_register = True
        with dag:  # a DAG that is left is registered
            pass


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


def report_bad_days(pipeline: Pipeline, feed: Feed, *, checked_by: str) -> list[BaseOperator]:
    """Return the task that is red for days that were left out, if the contract leaves bad days out."""
    if not pipeline.validation.leaves_out:
        return []
    return [
        ReportBadDaysOperator(
            task_id="report_bad_days",
            pipeline_name=pipeline.name,
            stage=feed.stage.value,
            checked_by=checked_by,
            trigger_rule="none_failed",  # also where the good days have not changed
        )
    ]


def wait_for_files(feed: Feed, *, first: str, last: str) -> list[BaseOperator]:
    """Return the task that waits for the files of some days, or no task if the contract waits for none."""
    source = feed.source
    if source.missing is not OnMissing.WAIT:
        return []
    return [
        SourceSensor(
            task_id="wait_for_files",
            pipeline_name=feed.pipeline_name,
            stage=feed.stage.value,
            first=first,
            last=last,
            timeout=source.missing_timeout.total_seconds(),
        )
    ]


def export(pipeline: Pipeline) -> list[BaseOperator]:
    """Return the task that exports the table, or no task if the contract names no export.

    It also runs after a `publish` that was skipped: an earlier export may have failed.
    """
    if pipeline.exports.delta is None:
        return []
    return [ExportOperator(task_id="export", pipeline_name=pipeline.name, trigger_rule="none_failed")]


def feed_asset(feed: Feed, lake: LakeTable) -> Asset:
    """Return the asset that a published partition of a feed's table updates."""
    return Asset(f"lakefs://{lake.repository}/{lake.branch}/{feed.table}")


def model_asset(pipeline: Pipeline) -> Asset:
    """Return the asset that a new champion updates."""
    return Asset(f"mlflow://{pipeline.name}")


def _midnight(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(timezone))
