"""Ending a run early and green: a task that says no succeeds, and what follows is skipped."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.utils.skipmixin import SkipMixin
from airflow.sdk import Context


class ShortCircuitMixin:
    """Mixed into operators that may decide that nothing more is to be done in this run."""

    inherits_from_skipmixin = True  # a cleared task downstream asks for what was skipped here

    def end_here(self, context: Context, result: dict[str, Any]) -> None:
        """Leave `result` as the task's return value, and skip everything downstream."""
        ti = context["ti"]
        ti.xcom_push("return_value", result)
        SkipMixin().skip(ti, context["task"].get_direct_relatives(upstream=False))
