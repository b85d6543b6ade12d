"""Promotion: from scores to a new champion, by the gate's verdict, the aliases and the ledger."""

from __future__ import annotations

from include.contract.pipeline import Pipeline
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


def reject(
    pipeline_name: str, version: int, *, reason: str, registry: Registry, ledger: Ledger, run: RunIdentity
) -> None:
    """Record that a person refused a candidate, and drop its alias."""
    ledger.append(Event.REJECTED, cause=run.key, reason=reason, run=run, version=version)
    _drop_candidate(registry, pipeline_name, version)


def promote(
    pipeline_name: str, version: int, *, reason: str, registry: Registry, ledger: Ledger, run: RunIdentity
) -> Promotion:
    """Make a version the champion, and the champion the previous one.

    `previous` is set before `champion` moves: killed at any line there is exactly one champion, and the
    next try goes on. A run that has its entry in the ledger already changes nothing, so running it again
    cannot undo what was decided after it.
    """
    if not ledger.has(Event.PROMOTED, run.key):
        former = registry.version_of(pipeline_name, Alias.CHAMPION)
        if former != version:
            if former is not None:
                registry.set_alias(pipeline_name, Alias.PREVIOUS, former)
            registry.set_alias(pipeline_name, Alias.CHAMPION, version)
        ledger.append(Event.PROMOTED, cause=run.key, reason=reason, run=run, version=version)
    # Also for a run of long ago: registering its version again has made it the candidate again.
    _drop_candidate(registry, pipeline_name, version)
    aliases = registry.aliases(pipeline_name)
    return Promotion(champion=aliases.get(Alias.CHAMPION), previous=aliases.get(Alias.PREVIOUS))


def _drop_candidate(registry: Registry, pipeline_name: str, version: int) -> None:
    if registry.version_of(pipeline_name, Alias.CANDIDATE) == version:
        registry.delete_alias(pipeline_name, Alias.CANDIDATE)
