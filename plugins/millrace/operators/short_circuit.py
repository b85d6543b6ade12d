"""End a run early and successfully: the task succeeds and everything downstream is skipped."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.utils.skipmixin import SkipMixin
from airflow.sdk import Context


class ShortCircuitMixin:
    """Mixin for operators that may decide that nothing else remains to be done in this run."""

    # Read by the scheduler: a downstream task that is cleared alone is skipped again.
    # https://github.com/apache/airflow/blob/3.3.2/airflow-core/src/airflow/ti_deps/deps/not_previously_skipped_dep.py
    inherits_from_skipmixin = True

    def skip_downstream(self, context: Context, result: dict[str, Any]) -> None:
        """Push `result` as the task's return value and skip every task downstream."""
        ti = context["ti"]
        ti.xcom_push("return_value", result)
        SkipMixin().skip(ti, context["task"].get_direct_relatives(upstream=False))
