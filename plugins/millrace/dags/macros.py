"""Macros for templates: a run's days, the results of its tasks, and names that survive retries."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date
from typing import Any

from jinja2 import pass_context

from include.contract.pipeline import Pipeline
from millrace.run import days, identity
from millrace.xcom import pull_result


def macros(pipeline: Pipeline, cron: str | None) -> dict[str, Any]:
    """Return the macros of a pipeline's DAGs; `cron` is the DAG's schedule."""
    source = pipeline.source

    def days_of(context: Any) -> tuple[date, date]:
        return days(context, source.timezone, cron, max_days=source.max_days)

    @pass_context
    def first_day(context: Any) -> str:
        return days_of(context)[0].isoformat()

    @pass_context
    def last_day(context: Any) -> str:
        return days_of(context)[1].isoformat()

    @pass_context
    def run_hash(context: Any) -> str:
        return identity(context).short_hash

    @pass_context
    def partition(context: Any) -> str:
        first, last = days_of(context)
        return first.isoformat() if first == last else f"{first.isoformat()}_{last.isoformat()}"

    results: dict[Hashable, Any] = {}

    @pass_context
    def result(context: Any, task_id: str) -> Any:
        ti = context["ti"]
        key = (ti.run_id, ti.task_id, ti.map_index, ti.try_number, task_id)
        if key not in results:  # templates of one task read the same result several times
            results[key] = pull_result(ti, task_id)
        return results[key]

    return {
        "first_day": first_day,
        "last_day": last_day,
        "run_hash": run_hash,
        "partition": partition,
        "result": result,
    }
