"""Operators of the lake: branches, objects, commits, tags."""

from __future__ import annotations

from millrace.operators.lakefs.base import LakeFSOperator
from millrace.operators.lakefs.branches import (
    LakeFSCreateBranchOperator,
    LakeFSDeleteBranchOperator,
    LakeFSResetBranchOperator,
)
from millrace.operators.lakefs.commits import (
    LakeFSCherryPickOperator,
    LakeFSCommitOperator,
    LakeFSDiffOperator,
    LakeFSGetRefOperator,
    LakeFSMergeOperator,
    LakeFSRevertOperator,
)
from millrace.operators.lakefs.objects import (
    LakeFSCopyObjectOperator,
    LakeFSDeleteObjectsOperator,
    LakeFSDownloadOperator,
    LakeFSGetObjectOperator,
    LakeFSImportOperator,
    LakeFSUploadOperator,
    LakeFSUploadStreamOperator,
)
from millrace.operators.lakefs.tags import LakeFSCreateTagOperator, LakeFSDeleteTagOperator

__all__ = [
    "LakeFSCherryPickOperator",
    "LakeFSCommitOperator",
    "LakeFSCopyObjectOperator",
    "LakeFSCreateBranchOperator",
    "LakeFSCreateTagOperator",
    "LakeFSDeleteBranchOperator",
    "LakeFSDeleteObjectsOperator",
    "LakeFSDeleteTagOperator",
    "LakeFSDiffOperator",
    "LakeFSDownloadOperator",
    "LakeFSGetObjectOperator",
    "LakeFSGetRefOperator",
    "LakeFSImportOperator",
    "LakeFSMergeOperator",
    "LakeFSOperator",
    "LakeFSResetBranchOperator",
    "LakeFSRevertOperator",
    "LakeFSUploadOperator",
    "LakeFSUploadStreamOperator",
]
