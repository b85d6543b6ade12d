"""Macros for templates: a run's days, the results of its tasks, and names that survive retries."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import date, timedelta
from typing import Any, NamedTuple

from jinja2 import pass_context

from include.contract.data import Source
from include.contract.pipeline import Pipeline
from millrace.run import days, identity, read_from, until
from millrace.xcom import pull_result


class _RunDays(NamedTuple):
    """The first day that a run reads, and the first and the last one of its own."""

    read_from: date
    first: date
    last: date

    @classmethod
    def of(
        cls, context: Any, own: tuple[date, date], since: date | None, refresh: timedelta | None
    ) -> _RunDays:
        return cls(read_from(context, own[0], refresh=refresh, since=since), *own)

    @property
    def label(self) -> str:
        return f"{self.last}" if self.read_from == self.last else f"{self.read_from}_{self.last}"


def macros(
    pipeline: Pipeline,
    source: Source,
    cron: str | None,
    since: date | None = None,
    refresh: timedelta | None = None,
) -> dict[str, Any]:
    """Return the macros of a pipeline's DAG, which is for days of a source.

    The schedule `cron` brings no day before `since`. Its runs read the days within `refresh` before theirs
    again: `new_day()` is then the first day of their own, and `first_day()` the first one that is read.
    """
    found: dict[Hashable, Any] = {}

    def once(context: Any, about: str, find: Callable[[], Any]) -> Any:
        """Return what a task has found already: its templates read the same several times."""
        ti = context["ti"]
        key = (ti.run_id, ti.task_id, ti.map_index, ti.try_number, about)
        if key not in found:
            found[key] = find()
        return found[key]

    def days_of(context: Any) -> _RunDays:
        bounds: dict[str, Any] = {"max_days": source.max_days, "since": since}
        found: _RunDays = once(
            context,
            "days",
            lambda: _RunDays.of(context, days(context, source.timezone, cron, **bounds), since, refresh),
        )
        return found

    def of_days(name: str) -> Any:
        @pass_context
        def text(context: Any) -> str:
            return str(getattr(days_of(context), name))

        return text

    @pass_context
    def learn_until(context: Any) -> str:
        day = until(context, source.timezone, cron, pipeline.monitoring.label_delay)
        return day.isoformat() if day else ""

    @pass_context
    def run_hash(context: Any) -> str:
        return identity(context).short_hash

    @pass_context
    def result(context: Any, task_id: str) -> Any:
        return once(context, f"result of {task_id}", lambda: pull_result(context["ti"], task_id))

    return {
        "first_day": of_days("read_from"),
        "new_day": of_days("first"),
        "last_day": of_days("last"),
        "partition": of_days("label"),
        "learn_until": learn_until,
        "run_hash": run_hash,
        "result": result,
    }
