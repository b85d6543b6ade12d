"""Import objects of the lake's own storage exactly once, however often a task is killed and retried.

lakeFS returns the id of an import only after the import has started, so a task that is killed before it
receives the id cannot find that import again; and importing the same objects twice makes two commits. Each
import therefore goes to a branch of its own, which is merged as one commit. A retry first deletes that
branch, so an import that a killed try left running has no effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from include.exceptions import MillraceError
from include.lake.client import Lake
from include.lake.idempotency import CommitResult
from include.lake.merge import find_merge_of_run, publish
from include.run_identity import RunIdentity


def import_objects(
    lake: Lake,
    branch: str,
    sources: Mapping[str, str],
    *,
    run: RunIdentity,
    step: str,
    message: str,
    wait: Callable[[str, str], None],
    metadata: Mapping[str, str] | None = None,
) -> CommitResult:
    """Import `sources` (storage URI to path, see `Lake.start_import`) into a branch, as one commit.

    `wait` takes the branch that is imported to and the import's id; it returns once the import is complete,
    and raises if the import failed. If the branch changed the same object meanwhile, the import wins.
    """
    import_branch = f"import-{_short_hash(run.key, step, branch, sources)}"
    if run.try_number > 1 and (merge := find_merge_of_run(lake, branch, import_branch, run)):
        lake.delete_branch(import_branch)
        return CommitResult(merge.id, changed=True)
    metadata = {**(metadata or {}), "step": step}
    lake.delete_branch(import_branch)
    lake.create_branch(import_branch, branch)
    try:
        import_id = lake.start_import(import_branch, sources, message, {**run.metadata(), **metadata})
        wait(import_branch, import_id)
        return publish(
            lake,
            import_branch,
            into=branch,
            run=run,
            metadata=metadata,
            message=message,
            strategy="source-wins",
            squash=True,
        )
    except MillraceError:
        with suppress(MillraceError):
            lake.delete_branch(import_branch)
        raise


def _short_hash(*values: object) -> str:
    """Return eight hexadecimal digits: the same for every try of the same import."""
    return hashlib.sha256(json.dumps(values, default=dict).encode()).hexdigest()[:8]
