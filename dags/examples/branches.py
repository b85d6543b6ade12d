"""Branches: create one, change it, discard the change, delete it.

**Produces** nothing permanent.

**Flow**: `open` creates a branch for this run, `scribble` uploads an object to it, `reset` discards the
object, `close` deletes the branch.

**Run again** at any time: each run has its own branch.
"""

from airflow.sdk import chain

from millrace.dags.examples import example_dag
from millrace.operators.lakefs import (
    LakeFSCreateBranchOperator,
    LakeFSDeleteBranchOperator,
    LakeFSResetBranchOperator,
    LakeFSUploadStreamOperator,
)

BRANCH = "example-{{ run_hash() }}"


def text(context):
    """Return a stream that is generated in memory, without a file on the worker."""
    from io import BytesIO

    return BytesIO(f"of {context['run_id']}\n".encode())


for _ in example_dag("branches", doc=__doc__):
    chain(
        LakeFSCreateBranchOperator(task_id="open", branch=BRANCH),
        LakeFSUploadStreamOperator(
            task_id="scribble", branch=BRANCH, path="examples/scribble.txt", open_stream=text
        ),
        LakeFSResetBranchOperator(task_id="reset", branch=BRANCH, prefix="examples/"),
        LakeFSDeleteBranchOperator(task_id="close", branch=BRANCH),
    )
