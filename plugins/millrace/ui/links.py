"""Links on the page of a task instance: its report in MLflow, its commit, branch or object in lakeFS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

from millrace.hooks.mlflow import MlflowHook
from millrace.xcom import FAULT

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class ReportLink(BaseOperatorLink):
    """Link to the MLflow run of a task: the `link` in its return value or its fault."""

    name = "Report in MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        results = (XCom.get_value(ti_key=ti_key, key=key) for key in ("return_value", FAULT))
        link = next((str(result["link"]) for result in results if result and "link" in result), "")
        conn_id = str(getattr(operator, "mlflow_conn_id", MlflowHook.default_conn_name))
        return MlflowHook(conn_id).page(link) if link else ""


class CommitLink(BaseOperatorLink):
    """Link to the `commit` in a task's return value, in lakeFS's UI."""

    name = "Commit in lakeFS"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        commit = _return_value(ti_key).get("commit")
        return _page(operator, f"commits/{commit}") if commit else ""


class BranchLink(BaseOperatorLink):
    """Link to the `branch` in a task's return value, in lakeFS's UI."""

    name = "Branch in lakeFS"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        branch = _return_value(ti_key).get("branch")
        return _page(operator, "objects", ref=branch) if branch else ""


class ObjectLink(BaseOperatorLink):
    """Link to the object at the `path` in a task's return value, in lakeFS's UI."""

    name = "Object in lakeFS"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        path = _return_value(ti_key).get("path")
        ref = str(getattr(operator, "branch", None) or getattr(operator, "ref", ""))
        return _page(operator, "object", ref=ref, path=path) if path else ""


def _return_value(ti_key: TaskInstanceKey) -> dict[str, Any]:
    """Return the task's return value; empty if it is not a record, or if the task failed."""
    value = XCom.get_value(ti_key=ti_key, key="return_value")
    return value if isinstance(value, dict) else {}


def _page(operator: Any, view: str, **query: str) -> str:
    page: str = operator.hook.page(operator.repository, view, **query)
    return page
