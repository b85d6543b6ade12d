"""Objects: upload, look up, copy, download, delete.

**Produces** nothing permanent, except a file in the worker's temporary folder.

**Flow**: on a branch of this run, `upload` uploads a file of the worker, `look_up` returns its size and
checksum, `copy` copies it without moving content, `download` downloads the copy, `delete` deletes both.

**Run again** at any time: each run has its own branch.
"""

from tempfile import gettempdir

from airflow.sdk import chain

from millrace.dags.examples import example_dag
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
