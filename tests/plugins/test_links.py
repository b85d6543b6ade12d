"""The link from a task to its report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetXCom, XComResult

from millrace.links import FAULT, ReportLink

KEY: Any = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)


class Supervisor:
    """What a task's process asks for XComs."""

    def __init__(self, xcoms: dict[str, Any]) -> None:
        self.xcoms = xcoms

    def send(self, asked: GetXCom) -> XComResult:
        assert (asked.dag_id, asked.task_id, asked.run_id) == ("d", "t", "r")
        return XComResult(key=asked.key, value=self.xcoms.get(asked.key))


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
def test_a_report_is_where_the_result_or_the_fault_says(
    monkeypatch: pytest.MonkeyPatch, xcoms: dict[str, Any], link: str
) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(xcoms), raising=False)
    assert ReportLink().get_link(BaseOperator(task_id="t"), ti_key=KEY) == link
