"""The policy: a series of nightly verdicts in, "retrain" or "not now" out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from include.contract.monitoring import RetrainPolicy


@dataclass(frozen=True, kw_only=True)
class DailyResult:
    """What one night said about the champion: whether a limit was broken, on how many rows."""

    date: date
    breached: bool
    rows: int


@dataclass(frozen=True)
class Decision:
    """Whether to retrain, and why or why not."""

    fire: bool
    reason: str


def decide_retrain(
    policy: RetrainPolicy, nights: Sequence[DailyResult], *, last_fired: date | None, learned: date
) -> Decision:
    """Decide for the latest of some nights of one champion.

    `last_fired` is the last night that fired, `learned` the last day that the champion learned from: about
    days up to that one it cannot be wrong in a way that a retrain mends. Nights with fewer than `min_rows`
    rows say nothing, for or against. A night without a breach never fires, whatever came before it.
    """
    counted = sorted(
        (night for night in nights if night.rows >= policy.min_rows), key=lambda night: night.date
    )
    latest = max((night.date for night in nights), default=None)
    if not counted or counted[-1].date != latest:
        return Decision(False, f"fewer than {policy.min_rows} rows: no verdict")
    recent = counted[-policy.of :]
    breaches = sum(night.breached for night in recent)
    said = f"{breaches} of the last {len(recent)} nights broke a limit"
    if not recent[-1].breached:
        return Decision(False, "no limit broken")
    if breaches < policy.breaches:
        return Decision(False, f"{said}; the policy asks for {policy.breaches} of {policy.of}")
    if recent[-1].date <= learned:
        return Decision(False, f"{said}, but the champion has learned from days up to {learned}")
    if last_fired is not None and recent[-1].date - last_fired < policy.cooldown:
        return Decision(False, f"{said}, but cooling down for {policy.cooldown.days} days since {last_fired}")
    return Decision(True, said)
