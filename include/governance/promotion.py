"""Promotion: from scores to a new champion, by the gate's verdict, the aliases and the ledger."""

from __future__ import annotations

from datetime import timedelta

from include.contract.pipeline import Pipeline
from include.exceptions import Conflict
from include.governance.gate import decide
from include.governance.ledger import Event, Ledger
from include.modelling.comparison import Scores
from include.record import Record
from include.run_identity import RunIdentity
from include.tracking.registry import Alias, Registry
from include.verdict import Verdict


class Promotion(Record):
    """The versions that are champion and previous after a promotion."""

    champion: int | None
    previous: int | None


def evaluate_gate(pipeline: Pipeline, scores: Scores, *, ledger: Ledger, run: RunIdentity) -> Verdict:
    """Return the gate's verdict on an evaluation; a rejection goes into the ledger."""
    verdict = decide(pipeline.gate, scores)
    if not verdict.passed:
        reason = "; ".join(verdict.reasons)
        ledger.append(Event.REJECTED, cause=run.key, reason=reason, run=run, details=scores.to_json())
    return verdict


def refuse(
    pipeline_name: str,
    version: int,
    *,
    person: str | None,
    waited: timedelta | None,
    registry: Registry,
    ledger: Ledger,
    run: RunIdentity,
) -> None:
    """Record that a person refused a candidate, or that nobody responded in time, and drop its alias."""
    reason = f"refused by {person}" if person else f"no response within {waited}"
    ledger.append(Event.REJECTED, cause=run.key, reason=reason, run=run, version=version)
    _drop_candidate(registry, pipeline_name, version)


def promote(
    pipeline_name: str,
    version: int,
    *,
    compared_with: int | None,
    no_comparison: str | None = None,
    reason: str,
    registry: Registry,
    ledger: Ledger,
    run: RunIdentity,
) -> Promotion:
    """Make a version the champion, and the champion the previous one.

    `previous` is set before `champion` moves: killed at any line there is exactly one champion, and the
    next try goes on. A run that has its entry in the ledger already changes nothing, so running it again
    cannot undo what was decided after it.

    :param compared_with: the champion that the gate compared the version with, None if there was none.
    :param no_comparison: why the gate could not compare with that champion; the ledger adds it to `reason`.
    :raises Conflict: another version has become the champion since the comparison, by another run or by
        hand; nothing is changed.
    """
    if not ledger.has(Event.PROMOTED, run.key):
        former = registry.version_of(pipeline_name, Alias.CHAMPION)
        if former != version:
            if former != compared_with:
                raise Conflict(_moved(pipeline_name, version, compared_with, former))
            if former is not None:
                registry.set_alias(pipeline_name, Alias.PREVIOUS, former)
            registry.set_alias(pipeline_name, Alias.CHAMPION, version)
        reasons = "; ".join([reason, *([no_comparison] if no_comparison else [])])
        ledger.append(Event.PROMOTED, cause=run.key, reason=reasons, run=run, version=version)
    # Also for a run of long ago: registering its version again has made it the candidate again.
    aliases = _drop_candidate(registry, pipeline_name, version)
    return Promotion(champion=aliases.get(Alias.CHAMPION), previous=aliases.get(Alias.PREVIOUS))


def _drop_candidate(registry: Registry, pipeline_name: str, version: int) -> dict[Alias, int]:
    """Delete the alias `candidate` if it marks the version; return the model's aliases as they were."""
    aliases = registry.aliases(pipeline_name)
    if aliases.get(Alias.CANDIDATE) == version:
        registry.delete_alias(pipeline_name, Alias.CANDIDATE)
    return aliases


def _moved(pipeline_name: str, version: int, compared_with: int | None, champion: int | None) -> str:
    was, is_now = (f"version {one}" if one is not None else "none" for one in (compared_with, champion))
    return (
        f"version {version} of {pipeline_name!r} is not promoted: the champion is {is_now}, and the gate "
        f"compared with {was}. Clear the task 'evaluate' of this run to compare with the champion of now"
    )
