"""Asset events: run for every commit on the branch `example-watched`.

**Produces** nothing: it returns the commit that it runs for.

**Flow**: the triggerer watches the branch; each commit is an event of the asset, and `show` looks it up.

**Run again**: clear `show`. Commits made while Airflow was down become events when it is up again.
"""

from millrace.assets import branch_asset
from millrace.dags.examples import REPOSITORY, example_dag
from millrace.operators.lakefs import LakeFSGetRefOperator

# The watcher's events have the commit in `extra["payload"]`, the webhook's events in `extra`.
COMMIT = (
    "{% set extra = (triggering_asset_events.values() | first | last).extra %}"
    "{{ (extra.payload or extra).commit }}"
)


def watched():
    """Return the branch's asset, polled often because it is an example."""
    return branch_asset(REPOSITORY, "example-watched", poll_interval=2.0)


for _ in example_dag("on_commit", doc=__doc__, asset=watched):
    LakeFSGetRefOperator(task_id="show", ref=COMMIT)
