"""The policy: a series of daily verdicts in, "retrain" or "hold" out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from include.contract.monitoring import RetrainPolicy


@dataclass(frozen=True, kw_only=True)
class DailyResult:
    """Outcome of one monitoring day for one model version: passed or failed, on how many rows."""

    as_of: date
    passed: bool
    rows: int


@dataclass(frozen=True)
class Decision:
    """Whether to retrain, and why or why not."""

    retrain: bool
    reason: str


def latest_results(
    policy: RetrainPolicy, latest: DailyResult, earlier: Iterable[DailyResult]
) -> list[DailyResult]:
    """Return a day's result and as many earlier ones (latest first) as the policy has to see."""
    results = [latest]
    for result in earlier:
        if sum(one.rows >= policy.min_rows for one in results) >= policy.of:
            break
        results.append(result)
    return results


def decide_retrain(
    policy: RetrainPolicy,
    results: Sequence[DailyResult],
    *,
    last_retrain: date | None,
    trained_until: date,
) -> Decision:
    """Decide for the latest of some days of one champion.

    `last_retrain` is the last day that caused a retrain, `trained_until` the last day that the champion
    learned from: on days up to that one it cannot be wrong in a way that a retrain would fix. Days with fewer
    than `min_rows` rows say nothing, for or against. A day that passed never retrains, whatever came before.
    """
    counted = sorted(
        (result for result in results if result.rows >= policy.min_rows), key=lambda result: result.as_of
    )
    latest = max((result.as_of for result in results), default=None)
    if not counted or counted[-1].as_of != latest:
        return Decision(False, f"fewer than {policy.min_rows} rows: no verdict")
    recent = counted[-policy.of :]
    failures = sum(not result.passed for result in recent)
    summary = f"{failures} of the last {len(recent)} days exceeded a limit"
    if recent[-1].passed:
        return Decision(False, "no limit exceeded")
    if failures < policy.failures:
        return Decision(False, f"{summary}; the policy requires {policy.failures} of {policy.of}")
    if recent[-1].as_of <= trained_until:
        return Decision(False, f"{summary}, but the champion has learned from days up to {trained_until}")
    if last_retrain is not None and recent[-1].as_of - last_retrain < policy.cooldown:
        return Decision(
            False, f"{summary}, but cooling down for {policy.cooldown.days} days since {last_retrain}"
        )
    return Decision(True, summary)
