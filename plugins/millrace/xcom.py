"""What one task hands to another: the keys of XComs, and the results of tasks before this one."""

from __future__ import annotations

from typing import Any

from include.exceptions import Absent

FAULT = "fault"
"""Key under which a task that fails for bad data pushes its reasons and the link to its report."""


def pull_result(ti: Any, task_id: str) -> Any:
    """Return what another task of a task instance's run returned; raise Absent if it returned nothing."""
    result = ti.xcom_pull(task_ids=task_id)
    if result is None:
        raise Absent(
            f"the task {task_id!r} of this run has no result: it was marked as success by hand, or its "
            "result was deleted; clear that task, so that it runs again with all that follow it"
        )
    return result
