"""Tags: name a commit, then delete the name.

**Produces** nothing permanent.

**Flow**: `tag` tags the latest commit of `main`, `untag` deletes the tag.

**Run again** at any time: each run has its own tag.
"""

from airflow.sdk import chain

from millrace.dags.examples import example_dag
from millrace.operators.lakefs import LakeFSCreateTagOperator, LakeFSDeleteTagOperator

TAG = "example-{{ run_hash() }}"

for _ in example_dag("tags", doc=__doc__):
    chain(
        LakeFSCreateTagOperator(task_id="tag", tag=TAG, ref="main"),
        LakeFSDeleteTagOperator(task_id="untag", tag=TAG),
    )
