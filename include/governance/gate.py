"""The gate: numbers in, a verdict with its reasons out. Pure, so that it can be tried with any numbers."""

from __future__ import annotations

from collections.abc import Iterator

from include.contract.gate import Gate
from include.modelling.comparison import Scores
from include.verdict import Verdict


def decide(gate: Gate, scores: Scores) -> Verdict:
    """Whether the candidate becomes champion; the reasons are the rules that fail, or all if none does."""
    rules = list(_rules(gate, scores))
    failed = [text for kept, text in rules if not kept]
    numbers = {
        name: float(value)
        for name, value in scores.to_json().items()
        if isinstance(value, int | float) and name != "champion_version"
    }
    return Verdict(passed=not failed, reasons=tuple(failed or (text for _, text in rules)), numbers=numbers)


def _rules(gate: Gate, scores: Scores) -> Iterator[tuple[bool, str]]:
    """Each rule that applies: whether it holds, and what it says about these numbers."""
    metric, candidate = scores.metric, scores.candidate
    yield _at_least(f"{metric} {candidate:.4f}", candidate, gate.minimum, "the minimum")
    if scores.champion is not None:
        wanted = scores.champion + gate.min_improvement
        which = (
            f"champion's {scores.champion:.4f} (version {scores.champion_version}) + {gate.min_improvement:g}"
        )
        yield _at_least(f"{metric} {candidate:.4f}", candidate, wanted, f"the {which}")
    if gate.slices and scores.slice_drop is not None:
        what = f"largest drop {scores.slice_drop:.4f} over slices of {gate.slices.column!r}"
        yield _at_most(what, scores.slice_drop, gate.slices.max_drop)
    if gate.max_latency_ms is not None:
        yield _at_most(f"latency {scores.latency_ms:.1f} ms", scores.latency_ms, gate.max_latency_ms)


def _at_least(what: str, value: float, limit: float, name: str) -> tuple[bool, str]:
    return value >= limit, f"{what} is {'at least' if value >= limit else 'below'} {name} ({limit:.4f})"


def _at_most(what: str, value: float, limit: float) -> tuple[bool, str]:
    return value <= limit, f"{what} is {'within' if value <= limit else 'above'} {limit:g}"
