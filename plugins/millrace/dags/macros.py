"""Macros for templates: a run's days, the results of its tasks, and names that survive retries."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import date, timedelta
from typing import Any

from jinja2 import pass_context

from include.contract.data import Source
from include.contract.pipeline import Pipeline
from millrace.run import days, identity, until
from millrace.xcom import pull_result


def macros(
    pipeline: Pipeline,
    source: Source,
    cron: str | None,
    since: date | None = None,
    refresh: timedelta | None = None,
) -> dict[str, Any]:
    """Return the macros of a pipeline's DAG, which is for days of a source.

    The schedule `cron` brings no day before `since`, and as many days again as `refresh` says.
    """
    found: dict[Hashable, Any] = {}

    def once(context: Any, about: str, find: Callable[[], Any]) -> Any:
        """Return what a task has found already: its templates read the same several times."""
        ti = context["ti"]
        key = (ti.run_id, ti.task_id, ti.map_index, ti.try_number, about)
        if key not in found:
            found[key] = find()
        return found[key]

    def days_of(context: Any) -> tuple[date, date]:
        bounds: dict[str, Any] = {"max_days": source.max_days, "since": since, "refresh": refresh}
        days_found: tuple[date, date] = once(
            context, "days", lambda: days(context, source.timezone, cron, **bounds)
        )
        return days_found

    @pass_context
    def first_day(context: Any) -> str:
        return days_of(context)[0].isoformat()

    @pass_context
    def last_day(context: Any) -> str:
        return days_of(context)[1].isoformat()

    @pass_context
    def learn_until(context: Any) -> str:
        day = until(context, source.timezone, cron, pipeline.monitoring.label_delay)
        return day.isoformat() if day else ""

    @pass_context
    def run_hash(context: Any) -> str:
        return identity(context).short_hash

    @pass_context
    def partition(context: Any) -> str:
        first, last = days_of(context)
        return first.isoformat() if first == last else f"{first.isoformat()}_{last.isoformat()}"

    @pass_context
    def result(context: Any, task_id: str) -> Any:
        return once(context, f"result of {task_id}", lambda: pull_result(context["ti"], task_id))

    return {
        "first_day": first_day,
        "last_day": last_day,
        "learn_until": learn_until,
        "run_hash": run_hash,
        "partition": partition,
        "result": result,
    }
