"""What may be a template is rendered: a name that was forgotten would reach the lake with its braces."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import BaseOperator

from millrace.operators.decide import AcceptOperator, DiscardOperator, FindQuarantineOperator, ReviewOperator
from millrace.operators.export import ExportOperator
from millrace.operators.governance import GateOperator, PromoteOperator, RegisterOperator
from millrace.operators.ingest import (
    LoadOperator,
    PublishOperator,
    QuarantineOperator,
    ReportBadDaysOperator,
    ValidateOperator,
)
from millrace.operators.lakefs import (
    LakeFSCherryPickOperator,
    LakeFSCommitOperator,
    LakeFSCopyObjectOperator,
    LakeFSCreateBranchOperator,
    LakeFSCreateTagOperator,
    LakeFSDeleteBranchOperator,
    LakeFSDeleteObjectsOperator,
    LakeFSDeleteTagOperator,
    LakeFSDiffOperator,
    LakeFSDownloadOperator,
    LakeFSGetObjectOperator,
    LakeFSGetRefOperator,
    LakeFSImportOperator,
    LakeFSMergeOperator,
    LakeFSResetBranchOperator,
    LakeFSRevertOperator,
    LakeFSUploadOperator,
    LakeFSUploadStreamOperator,
)
from millrace.operators.snapshot import PinOperator
from millrace.runtimes.process import ProcessJobOperator
from millrace.sensors.drift import DriftSensor
from millrace.sensors.lakefs import (
    LakeFSCommitSensor,
    LakeFSObjectSensor,
    LakeFSPrefixSensor,
    LakeFSTagSensor,
)
from millrace.sensors.partition import PartitionSensor
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
    (LakeFSDeleteTagOperator, {"repository": T, "tag": T}),
    (LakeFSResetBranchOperator, {"branch": T, "prefix": T}),
    (LakeFSRevertOperator, {"branch": T, "ref": T, "message": T, "metadata": {"a": T}}),
    (LakeFSCherryPickOperator, {"branch": T, "ref": T, "message": T, "metadata": {"a": T}}),
    (LakeFSDiffOperator, {"left": T, "right": T, "prefix": T}),
    (LakeFSGetRefOperator, {"ref": T, "lakefs_conn_id": T}),
    (LakeFSUploadStreamOperator, {"branch": T, "path": T, "open_stream": open}),
    (LakeFSDownloadOperator, {"ref": T, "path": T, "file": T}),
    (LakeFSCopyObjectOperator, {"branch": T, "path": T, "source_path": T, "source_ref": T}),
    (LakeFSDeleteObjectsOperator, {"branch": T, "paths": [T]}),
    (LakeFSGetObjectOperator, {"ref": T, "path": T}),
    (LakeFSImportOperator, {"branch": T, "sources": {"s3://b/": T}, "message": T, "metadata": {"a": T}}),
    (LoadOperator, {"pipeline_name": T, **DAYS}),
    (ValidateOperator, {"pipeline_name": T, **DAYS}),
    (QuarantineOperator, {"pipeline_name": T, "new_from": T, **DAYS}),
    (ReportBadDaysOperator, {"pipeline_name": T, "checked_by": "validate"}),
    (FindQuarantineOperator, {"pipeline_name": T, "quarantine": T, "skipped": T}),
    (ReviewOperator, {"pipeline_name": T, "found_by": "find", "branch": T}),
    (AcceptOperator, {"pipeline_name": T, "found_by": "f", "reviewed_by": "v", "branch": T, "reason": T}),
    (DiscardOperator, {"pipeline_name": T, "found_by": "find", "reason": T}),
    (ExportOperator, {"pipeline_name": T}),
    (PublishOperator, {"pipeline_name": T, "repository": T, "source": T, "into": T, "metadata": {"a": T}}),
    (ProcessJobOperator, {"pipeline_name": T, "job": "train", "job_args": {"commit": T}}),
    (PinOperator, {"pipeline_name": T, "ref": T, "until": T, "tag": T}),
    (GateOperator, {"pipeline_name": T, "scores_from": "evaluate"}),
    (RegisterOperator, {"pipeline_name": T, "training_run": T}),
    (PromoteOperator, {"pipeline_name": T, "version": T, "scores_from": "evaluate", "reason": T}),
    (LakeFSCommitSensor, {"repository": T, "ref": T, "known_commit": T}),
    (LakeFSObjectSensor, {"repository": T, "ref": T, "path": T}),
    (LakeFSPrefixSensor, {"repository": T, "ref": T, "prefix": T}),
    (LakeFSTagSensor, {"repository": T, "tag": T}),
    (PartitionSensor, {"pipeline_name": T, "day": T}),
    (DriftSensor, {"pipeline_name": T, "as_of": T, "version": T}),
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
