"""Take a branch with bad data out of the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.lake.client import Lake
from include.run_identity import RunIdentity

if TYPE_CHECKING:
    pass


def quarantine(
    lake: Lake, branch: str, *, reasons: Sequence[str], run: RunIdentity, keep: bool
) -> str | None:
    """Take a branch with bad data out of the way; the name it is kept under, or None.

    The kept branch ends in a commit that names the reasons. (Names of branches cannot hold a slash on
    lakeFS, so `quarantine-` is a prefix of the name.)
    """
    kept = f"quarantine-{branch.removeprefix('ingest-')}" if keep else None
    if kept and lake.ref_exists(branch):
        message = "quarantined: " + "; ".join(reasons)[:1000]
        lake.commit(branch, message, run.metadata(), allow_empty=True)
        lake.delete_branch(kept)  # of a run that was cleared and failed again: the latest counts
        lake.create_branch(kept, branch)
    lake.delete_branch(branch)
    return kept
