"""Runs for every commit on the branch `example-watched`, whoever made it.

**Produces** nothing: it shows the commit that it runs for.

**Flow**: the triggerer watches the branch; each commit is an event of the asset, and `show` looks it up.

**Run again**: clear `show`. An event that was missed while Airflow was down comes when it is up again.
"""

from millrace.assets import branch_asset
from millrace.examples import REPOSITORY, example_dag
from millrace.operators.lakefs import LakeFSGetRefOperator

# An event of the watcher says it in its payload, one of lakeFS's webhook without.
COMMIT = (
    "{% set extra = (triggering_asset_events.values() | first | last).extra %}"
    "{{ (extra.payload or extra).commit }}"
)


def watched():
    """The branch, looked at often: it is an example."""
    return branch_asset(REPOSITORY, "example-watched", poll_interval=2.0)


for _ in example_dag("on_commit", doc=__doc__, asset=watched):
    LakeFSGetRefOperator(task_id="show", ref=COMMIT)
