"""What may be a template is rendered: a name that was forgotten would reach the lake with its braces."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import BaseOperator

from millrace.operators.ingest import LoadOperator, QuarantineOperator, ValidateOperator
from millrace.operators.job import ProcessJobOperator
from millrace.operators.lakefs import (
    LakeFSCommitOperator,
    LakeFSCreateBranchOperator,
    LakeFSCreateTagOperator,
    LakeFSDeleteBranchOperator,
    LakeFSMergeOperator,
    LakeFSUploadOperator,
)
from millrace.operators.model import GateOperator, PinOperator, PromoteOperator, RegisterOperator
from millrace.sensors.drift import DriftSensor
from millrace.sensors.lakefs import LakeFSCommitSensor, PartitionSensor
from tests.support.task import Task

T = "{{ run_id }}"
DAYS = {"branch": T, "first": T, "last": T}
CASES: list[tuple[type[BaseOperator], dict[str, Any]]] = [
    (LakeFSCreateBranchOperator, {"repository": T, "branch": T, "source": T}),
    (LakeFSDeleteBranchOperator, {"repository": T, "branch": T}),
    (LakeFSUploadOperator, {"repository": T, "branch": T, "path": T, "file": T}),
    (LakeFSCommitOperator, {"repository": T, "branch": T, "message": T, "metadata": {"a": T}}),
    (LakeFSMergeOperator, {"repository": T, "source": T, "into": T, "metadata": {"a": T}}),
    (LakeFSCreateTagOperator, {"repository": T, "tag": T, "ref": T}),
    (LoadOperator, {"pipeline": T, **DAYS}),
    (ValidateOperator, {"pipeline": T, **DAYS}),
    (QuarantineOperator, {"pipeline": T, "branch": T}),
    (ProcessJobOperator, {"pipeline": T, "job": "train", "arguments": {"commit": T}}),
    (PinOperator, {"pipeline": T, "ref": T, "until": T, "tag": T}),
    (GateOperator, {"pipeline": T, "scores_from": "evaluate"}),
    (RegisterOperator, {"pipeline": T, "training_run": T}),
    (PromoteOperator, {"pipeline": T, "version": T, "reason": T}),
    (LakeFSCommitSensor, {"repository": T, "ref": T, "known": T}),
    (PartitionSensor, {"pipeline": T, "day": T}),
    (DriftSensor, {"pipeline": T, "night": T, "version": T}),
]


@pytest.mark.parametrize(("operator", "arguments"), CASES, ids=[case[0].__name__ for case in CASES])
def test_every_name_an_operator_is_given_may_be_a_template(
    operator: type[BaseOperator], arguments: dict[str, Any]
) -> None:
    task = operator(task_id="t", **arguments)
    task.render_template_fields(Task(task, run_id="r7").context)
    found = {name: getattr(task, name) for name in arguments}
    assert "{{" not in f"{found}"
    assert "r7" in f"{found}"
