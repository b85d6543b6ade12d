"""Commits: commit, diff, merge, revert, cherry-pick, look up.

**Produces** two commits per run on the branch `example-target`: a merge and its inverse.

**Flow**: `upload` and `commit` make a commit on a branch of this run, `compare` lists what merging it would
change, `merge` merges it, and `undo` reverts the merge to its first parent. `take_over` cherry-picks the same
commit to a second branch, and `look_up` returns that branch's latest commit. `close` and `clear` delete both
branches.

**Run again** at any time: `example-target` gets two more commits.
"""

from airflow.sdk import chain

from millrace.dags.examples import example_dag
from millrace.operators.lakefs import (
    LakeFSCherryPickOperator,
    LakeFSCommitOperator,
    LakeFSCreateBranchOperator,
    LakeFSDeleteBranchOperator,
    LakeFSDiffOperator,
    LakeFSGetRefOperator,
    LakeFSMergeOperator,
    LakeFSRevertOperator,
    LakeFSUploadOperator,
)

TARGET = "example-target"
BRANCH, OTHER = "example-{{ run_hash() }}", "example-{{ run_hash() }}-other"
COMMIT = "{{ ti.xcom_pull('commit')['commit'] }}"

for _ in example_dag("commits", doc=__doc__):
    target = LakeFSCreateBranchOperator(task_id="target", branch=TARGET)
    commit = LakeFSCommitOperator(task_id="commit", branch=BRANCH, message="an example")
    chain(
        target,
        LakeFSCreateBranchOperator(task_id="open", branch=BRANCH, source=TARGET),
        LakeFSUploadOperator(
            task_id="upload", branch=BRANCH, path="examples/{{ run_hash() }}.py", file=__file__
        ),
        commit,
        LakeFSDiffOperator(task_id="compare", left=TARGET, right=BRANCH),
        LakeFSMergeOperator(task_id="merge", source=BRANCH, into=TARGET),
        LakeFSRevertOperator(
            task_id="undo", branch=TARGET, ref="{{ ti.xcom_pull('merge')['commit'] }}", parent_number=1
        ),
        LakeFSDeleteBranchOperator(task_id="close", branch=BRANCH),
    )
    chain(
        commit,
        LakeFSCreateBranchOperator(
            task_id="open_other", branch=OTHER, source="{{ ti.xcom_pull('target')['commit'] }}"
        ),
        LakeFSCherryPickOperator(task_id="take_over", branch=OTHER, ref=COMMIT),
        LakeFSGetRefOperator(task_id="look_up", ref=OTHER),
        LakeFSDeleteBranchOperator(task_id="clear", branch=OTHER),
    )
