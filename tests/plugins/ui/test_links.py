"""Links from a task to MLflow and lakeFS."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetXCom, XComResult

from millrace.operators.lakefs import LakeFSCreateBranchOperator, LakeFSOperator, LakeFSUploadOperator
from millrace.ui.links import BranchLink, CommitLink, ObjectLink, ReportLink
from millrace.xcom import FAULT

KEY: Any = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)


class Supervisor:
    """The supervisor, which serves XComs to a task's process."""

    def __init__(self, xcoms: dict[str, Any]) -> None:
        self.xcoms = xcoms

    def send(self, request: GetXCom) -> XComResult:
        assert (request.dag_id, request.task_id, request.run_id) == ("d", "t", "r")
        return XComResult(key=request.key, value=self.xcoms.get(request.key))


@pytest.mark.parametrize(
    ("xcoms", "link"),
    [
        ({"return_value": {"run_id": "1", "link": "http://m/1"}}, "http://m/1"),
        ({FAULT: {"reasons": ["x"], "link": "http://m/2"}}, "http://m/2"),
        ({"return_value": {"rows": 7}, FAULT: {"reasons": ["x"]}}, ""),
        ({"return_value": None}, ""),
        ({}, ""),
    ],
    ids=["result", "fault", "no link", "nothing returned", "nothing"],
)
def test_a_report_link_comes_from_the_result_or_the_fault(
    monkeypatch: pytest.MonkeyPatch, xcoms: dict[str, Any], link: str
) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(xcoms), raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "http", "host": "http://m"}))
    assert ReportLink().get_link(BaseOperator(task_id="t"), ti_key=KEY) == link


def test_a_report_link_uses_the_url_for_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    returned = {"return_value": {"link": "http://mlflow:5000/#/runs/1"}}
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(returned), raising=False)
    shown = {"ui_url": "https://mlflow.example/"}
    fields = {"conn_type": "http", "host": "http://mlflow:5000", "extra": shown}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(fields))
    assert ReportLink().get_link(BaseOperator(task_id="t"), ti_key=KEY) == "https://mlflow.example/#/runs/1"


UPLOAD = LakeFSUploadOperator(task_id="u", repository="r", branch="b", path="t/{{ ds }}", file="f")
BRANCH = LakeFSCreateBranchOperator(task_id="b", repository="r", branch="b")


@pytest.mark.parametrize(
    ("operator", "link", "returned", "page"),
    [
        (BRANCH, BranchLink(), {"branch": "b"}, "/repositories/r/objects?ref=b"),
        (BRANCH, CommitLink(), {"commit": "c0"}, "/repositories/r/commits/c0"),
        (UPLOAD, ObjectLink(), {"path": "t/ä"}, "/repositories/r/object?ref=b&path=t%2F%C3%A4"),
        (UPLOAD, ObjectLink(), None, None),
    ],
    ids=["branch", "commit", "object", "nothing returned"],
)
@pytest.mark.parametrize(
    ("extra", "base"),
    [({}, "http://l:8000"), ({"ui_url": "https://ui/"}, "https://ui"), ({"ui_url": "none"}, None)],
    ids=["host", "other", "none"],
)
def test_a_link_leads_to_the_page_in_lakefs(
    monkeypatch: pytest.MonkeyPatch,
    operator: LakeFSOperator,
    link: Any,
    returned: Any,
    page: str | None,
    extra: dict[str, str],
    base: str | None,
) -> None:
    fields = {"conn_type": "lakefs", "host": "http://l:8000", "login": "k", "password": "s", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(fields))
    monkeypatch.setattr(
        task_runner, "SUPERVISOR_COMMS", Supervisor({"return_value": returned}), raising=False
    )
    operator.__dict__.pop("hook", None)
    assert link.get_link(operator, ti_key=KEY) == (f"{base}{page}" if base and page else "")
