"""The gate: scores in, a verdict with its reasons out. Pure, so that it can be tried with any numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from include.contract.gate import Gate
from include.modelling.comparison import Scores
from include.verdict import Verdict


class _Rule(NamedTuple):
    """Whether a rule holds, and what it says about these numbers."""

    holds: bool
    sentence: str


def decide(gate: Gate, scores: Scores) -> Verdict:
    """Decide whether the candidate becomes champion; the reasons are the rules that fail, or else all.

    Where the champion could not be scored, the candidate has to keep the other rules, and the last reason
    says why there was no comparison.
    """
    rules = list(_rules(gate, scores))
    failed = [rule.sentence for rule in rules if not rule.holds]
    numbers = {
        name: float(value)
        for name, value in scores.to_json().items()
        if isinstance(value, int | float) and name != "champion_version"
    }
    reasons = failed or [rule.sentence for rule in rules]
    if scores.no_comparison:
        reasons = [*reasons, scores.no_comparison]
    return Verdict(passed=not failed, reasons=tuple(reasons), numbers=numbers)


def _rules(gate: Gate, scores: Scores) -> Iterator[_Rule]:
    """Yield each rule that applies."""
    candidate = f"{scores.metric} {scores.candidate:.4f}"
    yield _at_least(candidate, scores.candidate, gate.minimum, "the minimum")
    if scores.champion is not None:
        limit = scores.champion + gate.min_improvement
        champion = f"champion's {scores.champion:.4f} (version {scores.champion_version})"
        yield _at_least(candidate, scores.candidate, limit, f"the {champion} + {gate.min_improvement:g}")
    if gate.slices and scores.slice_drop is not None:
        drop = f"largest drop {scores.slice_drop:.4f} over slices of {gate.slices.column!r}"
        yield _at_most(drop, scores.slice_drop, gate.slices.max_drop)
    if gate.max_latency_ms is not None:
        yield _at_most(f"latency {scores.latency_ms:.1f} ms", scores.latency_ms, gate.max_latency_ms)


def _at_least(subject: str, value: float, limit: float, name: str) -> _Rule:
    relation = "at least" if value >= limit else "below"
    return _Rule(value >= limit, f"{subject} is {relation} {name} ({limit:.4f})")


def _at_most(subject: str, value: float, limit: float) -> _Rule:
    return _Rule(value <= limit, f"{subject} is {'within' if value <= limit else 'above'} {limit:g}")
