"""Sensors: wait for an object, objects, a commit and a tag, in the triggerer.

**Produces** nothing permanent.

**Flow**: the sensors wait for what the other tasks create on a branch of this run, without a worker slot.

**Run again** at any time: each run has its own branch and tag.
"""

from airflow.sdk import chain

from millrace.dags.examples import example_dag
from millrace.operators.lakefs import (
    LakeFSCommitOperator,
    LakeFSCreateBranchOperator,
    LakeFSCreateTagOperator,
    LakeFSDeleteBranchOperator,
    LakeFSDeleteTagOperator,
    LakeFSUploadOperator,
)
from millrace.sensors.lakefs import (
    LakeFSCommitSensor,
    LakeFSObjectSensor,
    LakeFSPrefixSensor,
    LakeFSTagSensor,
)

NAME = "example-{{ run_hash() }}"
TAG = f"{NAME}-tag"  # a branch and a tag cannot share a name
PATH = "examples/code.py"
WAITING = {"deferrable": True, "poke_interval": 1.0, "timeout": 600.0}

for _ in example_dag("waiting", doc=__doc__):
    branch = LakeFSCreateBranchOperator(task_id="open", branch=NAME)
    upload = LakeFSUploadOperator(task_id="upload", branch=NAME, path=PATH, file=__file__)
    commit = LakeFSCommitOperator(task_id="commit", branch=NAME, message="an example")
    tag = LakeFSCreateTagOperator(task_id="tag", tag=TAG, ref=NAME)
    sensors = [
        LakeFSObjectSensor(task_id="object", ref=NAME, path=PATH, **WAITING),
        LakeFSPrefixSensor(task_id="objects", ref=NAME, prefix="examples/", **WAITING),
        LakeFSTagSensor(task_id="tagged", tag=TAG, **WAITING),
        LakeFSCommitSensor(
            task_id="committed", ref=NAME, known_commit="{{ ti.xcom_pull('open')['commit'] }}", **WAITING
        ),
    ]
    branch >> upload >> commit >> tag
    branch >> sensors[-1]
    chain(
        [tag, *sensors],
        LakeFSDeleteTagOperator(task_id="untag", tag=TAG),
        LakeFSDeleteBranchOperator(task_id="close", branch=NAME),
    )
