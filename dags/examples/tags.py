"""Tags: give a version a name that stays, and take it away.

**Produces** nothing that stays.

**Flow**: `tag` names what `main` is now, `untag` deletes the name.

**Run again** whenever you like: each run has a tag of its own.
"""

from airflow.sdk import chain

from millrace.examples import example_dag
from millrace.operators.lakefs import LakeFSCreateTagOperator, LakeFSDeleteTagOperator

TAG = "example-{{ run_hash() }}"

for _ in example_dag("tags", doc=__doc__):
    chain(
        LakeFSCreateTagOperator(task_id="tag", tag=TAG, ref="main"),
        LakeFSDeleteTagOperator(task_id="untag", tag=TAG),
    )
