"""End a run early and successfully: the task succeeds and everything downstream is skipped."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.providers.standard.utils.skipmixin import (
    XCOM_SKIPMIXIN_KEY,
    XCOM_SKIPMIXIN_SKIPPED,
    SkipMixin,
)
from airflow.sdk import Context


class ShortCircuitMixin:
    """Mixin for operators that may decide that what follows, or a part of it, remains undone in this run."""

    # Read by the scheduler: a downstream task that is cleared alone is skipped again.
    # https://github.com/apache/airflow/blob/3.3.2/airflow-core/src/airflow/ti_deps/deps/not_previously_skipped_dep.py
    inherits_from_skipmixin = True

    def skip_downstream(
        self, context: Context, result: dict[str, Any], *, only: Collection[str] | None = None
    ) -> None:
        """Push `result` as the task's return value, and skip every task downstream, or `only` some of them.

        Ends the task by raising: what follows in the caller is not reached, unless no task is skipped.
        """
        ti, below = context["ti"], context["task"].get_direct_relatives(upstream=False)
        skipped = [task for task in below if only is None or task.task_id in only]
        ti.xcom_push("return_value", result)
        # Airflow's mixin stores this for operators only, as it takes the id of the task from itself.
        ti.xcom_push(XCOM_SKIPMIXIN_KEY, {XCOM_SKIPMIXIN_SKIPPED: [task.task_id for task in skipped]})
        SkipMixin().skip(ti, skipped)
