"""Quarantine: take a branch with bad data out of the way."""

from __future__ import annotations

from collections.abc import Sequence

from include.contract.data import OnFailure
from include.contract.pipeline import Pipeline
from include.ingestion.results import QuarantineResult
from include.lake.client import Lake
from include.run_identity import RunIdentity

_MAX_MESSAGE = 1000


def quarantine(
    pipeline: Pipeline, lake: Lake, branch: str, *, reasons: Sequence[str], run: RunIdentity
) -> QuarantineResult:
    """Remove a branch with bad data, and keep it under another name where the contract says so.

    The kept branch ends in a commit that names the reasons. (`quarantine-` is a prefix of its name, as names
    of branches cannot hold a slash on lakeFS.)
    """
    keep = pipeline.validation.on_failure is OnFailure.QUARANTINE
    kept = f"quarantine-{branch.removeprefix('ingest-')}" if keep else None
    if kept and lake.ref_exists(branch):
        message = f"quarantined: {'; '.join(reasons)[:_MAX_MESSAGE]}"
        lake.commit(branch, message, run.metadata(), allow_empty=True)
        lake.delete_branch(kept)  # of a run that was cleared and failed again: the latest counts
        lake.create_branch(kept, branch)
    lake.delete_branch(branch)
    return QuarantineResult(branch=kept, reasons=tuple(reasons))
