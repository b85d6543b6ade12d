"""Taking in objects that lie in the lake's own storage, once, however often a task is killed and tried again.

A server gives an import its number when it has begun, so that whoever is killed before it is told cannot ask
for it, and a second import makes a second commit also where it changes nothing. Each import therefore goes to
a branch of its own, which is merged as one commit: what an earlier try left running has no branch any more.
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

    `wait` is given the branch that is imported to and the import's number; it returns once the import is
    complete, and raises if it failed. Where both sides changed the same object meanwhile, the import counts.
    """
    own = f"import-{_digest(run.key, step, branch, sources)}"
    if run.try_number > 1 and (done := find_merge_of_run(lake, branch, own, run)):
        lake.delete_branch(own)
        return CommitResult(done.id, changed=True)
    marks = {**(metadata or {}), "step": step}
    lake.delete_branch(own)
    lake.create_branch(own, branch)
    try:
        wait(own, lake.start_import(own, sources, message, {**run.metadata(), **marks}))
        return publish(
            lake,
            own,
            into=branch,
            run=run,
            metadata=marks,
            message=message,
            strategy="source-wins",
            squash=True,
        )
    except MillraceError:
        with suppress(MillraceError):
            lake.delete_branch(own)
        raise


def _digest(*names: object) -> str:
    """Eight hexadecimal digits: the same for every try of the same import."""
    return hashlib.sha256(json.dumps(names, default=dict).encode()).hexdigest()[:8]
