"""From scores to a new champion: the gate's verdict, the registered version, the aliases."""

from __future__ import annotations

from typing import Any

from include.contract.pipeline import Pipeline
from include.governance.gate import decide
from include.governance.ledger import Event, Ledger
from include.modelling.comparison import Scores
from include.run_identity import RunIdentity
from include.tracking.registry import Alias, Registry
from include.verdict import Verdict


def evaluate_gate(spec: Pipeline, scores: dict[str, Any], *, tracking_uri: str, run: RunIdentity) -> Verdict:
    """The gate's verdict over the scores of an evaluation; a rejection goes into the ledger."""
    verdict = decide(spec.gate, Scores(**scores))
    if not verdict.passed:
        Ledger(tracking_uri, spec.name).write(
            Event.REJECTED, cause=run.key, reason="; ".join(verdict.reasons), run=run, details=scores
        )
    return verdict


def register(spec: Pipeline, training_run: str, *, tracking_uri: str) -> int:
    """Register a training run's model as the candidate, once; its version."""
    return Registry(tracking_uri).register(spec.name, training_run)


def reject(spec: Pipeline, version: int, *, reason: str, tracking_uri: str, run: RunIdentity) -> None:
    """Note that a candidate was turned down by a person; it is no candidate any more."""
    Ledger(tracking_uri, spec.name).write(
        Event.REJECTED, cause=run.key, reason=reason, run=run, version=version
    )
    _drop_candidate(Registry(tracking_uri), spec.name, version)


def promote(
    spec: Pipeline, version: int, *, reason: str, tracking_uri: str, run: RunIdentity
) -> dict[str, int | None]:
    """Make a version the champion, and the champion the previous one; `{champion, previous}` afterwards.

    `previous` is set before `champion` moves: killed at any line there is exactly one champion, and the
    next try goes on. A run that has its line in the ledger already changes nothing, so running it again
    cannot undo what was decided after it.
    """
    registry, ledger = Registry(tracking_uri), Ledger(tracking_uri, spec.name)
    if not ledger.has(Event.PROMOTED, run.key):
        former = registry.version_of(spec.name, Alias.CHAMPION)
        if former != version:
            if former is not None:
                registry.point(spec.name, Alias.PREVIOUS, former)
            registry.point(spec.name, Alias.CHAMPION, version)
        ledger.write(Event.PROMOTED, cause=run.key, reason=reason, run=run, version=version)
    # Also for a run of long ago: registering its version again has made it the candidate again.
    _drop_candidate(registry, spec.name, version)
    return {
        "champion": registry.version_of(spec.name, Alias.CHAMPION),
        "previous": registry.version_of(spec.name, Alias.PREVIOUS),
    }


def _drop_candidate(registry: Registry, name: str, version: int) -> None:
    if registry.version_of(name, Alias.CANDIDATE) == version:
        registry.drop(name, Alias.CANDIDATE)
