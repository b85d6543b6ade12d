"""Branches: make one, change it, throw the change away, delete it.

**Produces** nothing that stays.

**Flow**: `open` makes a branch for this run, `scribble` stores an object on it, `reset` throws the object
away, `close` deletes the branch.

**Run again** whenever you like: each run has a branch of its own.
"""

from airflow.sdk import chain

from millrace.examples import example_dag
from millrace.operators.lakefs import (
    LakeFSCreateBranchOperator,
    LakeFSDeleteBranchOperator,
    LakeFSResetBranchOperator,
    LakeFSUploadStreamOperator,
)

BRANCH = "example-{{ run_hash() }}"


def text(context):
    """A stream that is made on the way, with nothing on the worker's disk."""
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
