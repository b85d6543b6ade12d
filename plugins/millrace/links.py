"""Buttons on a task instance's page that lead to what the task made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

FAULT = "fault"
"""XCom key under which a task that fails for bad data leaves what is wrong with it."""


class ReportLink(BaseOperatorLink):
    """The MLflow run with the report or the numbers of a task: the `link` that the task returned."""

    name = "Report in MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        found = (XCom.get_value(ti_key=ti_key, key=key) for key in ("return_value", FAULT))
        return next((str(result["link"]) for result in found if result and "link" in result), "")
