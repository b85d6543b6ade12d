"""Objects: upload, look up, copy, download, delete.

**Produces** nothing that stays but a file in the worker's temporary folder.

**Flow**: on a branch of this run, `upload` stores a file of the worker, `look_up` says what the lake knows of
it, `copy` makes a second one without moving content, `download` fetches that, `delete` removes both.

**Run again** whenever you like: each run has a branch and files of its own.
"""

from tempfile import gettempdir

from airflow.sdk import chain

from millrace.examples import example_dag
from millrace.operators.lakefs import (
    LakeFSCopyObjectOperator,
    LakeFSCreateBranchOperator,
    LakeFSDeleteBranchOperator,
    LakeFSDeleteObjectsOperator,
    LakeFSDownloadOperator,
    LakeFSGetObjectOperator,
    LakeFSUploadOperator,
)

BRANCH = "example-{{ run_hash() }}"
ON_BRANCH = {"branch": BRANCH, "path": "examples/code.py"}
COPY = "examples/copy.py"
FILE = f"{gettempdir()}/millrace-example.py"

for _ in example_dag("objects", doc=__doc__):
    chain(
        LakeFSCreateBranchOperator(task_id="open", branch=BRANCH),
        LakeFSUploadOperator(task_id="upload", file=__file__, **ON_BRANCH),
        LakeFSGetObjectOperator(task_id="look_up", ref=BRANCH, path=ON_BRANCH["path"]),
        LakeFSCopyObjectOperator(task_id="copy", branch=BRANCH, path=COPY, source_path=ON_BRANCH["path"]),
        LakeFSDownloadOperator(task_id="download", ref=BRANCH, path=COPY, file=FILE),
        LakeFSDeleteObjectsOperator(task_id="delete", branch=BRANCH, prefix="examples/"),
        LakeFSDeleteBranchOperator(task_id="close", branch=BRANCH),
    )
