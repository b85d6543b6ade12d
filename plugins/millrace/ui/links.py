"""Buttons on a task instance's page that lead to what the task made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

from millrace.hooks.mlflow import MlflowHook

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
        link = next((str(result["link"]) for result in found if result and "link" in result), "")
        conn_id = str(getattr(operator, "mlflow_conn_id", MlflowHook.default_conn_name))
        return MlflowHook(conn_id).page(link) if link else ""


class CommitLink(BaseOperatorLink):
    """The commit that a task made or found, in lakeFS's UI."""

    name = "Commit in lakeFS"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        commit = _returned(ti_key).get("commit")
        return _page(operator, f"commits/{commit}") if commit else ""


class BranchLink(BaseOperatorLink):
    """The branch that a task worked on, in lakeFS's UI."""

    name = "Branch in lakeFS"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        branch = _returned(ti_key).get("branch")
        return _page(operator, "objects", ref=branch) if branch else ""


class ObjectLink(BaseOperatorLink):
    """The object that a task stored or found, in lakeFS's UI."""

    name = "Object in lakeFS"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        path = _returned(ti_key).get("path")
        ref = str(getattr(operator, "branch", None) or getattr(operator, "ref", ""))
        return _page(operator, "object", ref=ref, path=path) if path else ""


def _returned(ti_key: TaskInstanceKey) -> dict[str, Any]:
    """What the task returned; nothing for a task that failed."""
    found = XCom.get_value(ti_key=ti_key, key="return_value")
    return found if isinstance(found, dict) else {}


def _page(operator: Any, view: str, **query: str) -> str:
    page: str = operator.hook.page(operator.repository, view, **query)
    return page
