"""Tags: give a version a name that stays, and take it away.

**Produces** nothing that stays.

**Flow**: `tag` names what `main` is now, `untag` deletes the name.

**Run again** whenever you like: each run has a tag of its own.
"""

from millrace.dags.examples import example
from millrace.operators.lakefs import LakeFSCreateTagOperator, LakeFSDeleteTagOperator

TAG = "example-{{ run_hash() }}"

for _ in example("tags", doc=__doc__):
    (
        LakeFSCreateTagOperator(task_id="tag", tag=TAG, ref="main")
        >> LakeFSDeleteTagOperator(task_id="untag", tag=TAG)
    )
