"""Macros for templates: a run's days, and names that derive from the run and so survive retries."""

from __future__ import annotations

from typing import Any

from jinja2 import pass_context

from include.contract.pipeline import Pipeline
from millrace.run import days, identity


def macros(pipeline: Pipeline, cron: str | None) -> dict[str, Any]:
    """Return the macros of a pipeline's DAGs; `cron` is the DAG's schedule."""
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
