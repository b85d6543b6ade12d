"""Asset events: run for the commits on the branch `example-watched`.

**Produces** nothing: it returns the newest commit that it was handed.

**Flow**: the triggerer watches the branch; the commits of each poll are an event of the asset, and `show`
looks up the newest. Several events may start one run.

**Run again**: clear `show`. Commits made while Airflow was down or the DAG was paused start a run afterwards.
"""

from airflow.sdk import Asset

from millrace.assets import branch_asset
from millrace.dags.examples import REPOSITORY, example_dag
from millrace.operators.lakefs import LakeFSGetRefOperator

# Airflow hands events over in no certain order. The watcher's have the commit in `extra["payload"]`, the
# webhook's in `extra`.
COMMIT = (
    "{% set events = triggering_asset_events.values() | first | sort(attribute='timestamp') %}"
    "{% set extra = (events | last).extra %}"
    "{{ extra.get('payload', extra).commit }}"
)


def watched() -> Asset:
    """Return the branch's asset, polled often because it is an example."""
    return branch_asset(REPOSITORY, "example-watched", poll_interval=2.0)


for _ in example_dag("on_commit", doc=__doc__, asset=watched):
    LakeFSGetRefOperator(task_id="show", ref=COMMIT)
