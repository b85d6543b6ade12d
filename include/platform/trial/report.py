"""The outcome of a trial, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from include.contract.feed import Stage
from include.platform.picture import picture
from include.platform.trial.outcome import Monitored, Outcome, Trained

_MAX_NAMED = 10


def show(outcome: Outcome, console: Console, seconds: float) -> None:
    """Print the outcome, and in one line whether the loop closed."""
    table = picture("what", "seen", has_header=False)
    for name, value in _lines(outcome):
        table.add_row(name, escape(value))
    table.add_row("wall time", f"{seconds:.0f} s")
    console.print(table)
    colour, what = ("green", "the loop closed") if outcome.is_closed else ("red", "the loop did not close")
    console.print(f"[{colour}]{what}")


def _lines(outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield "ingested", f"{_brought(outcome, Stage.INGEST)} rows"
    if any(one.stage is Stage.LABELS for one in outcome.ingested):
        yield "", f"{_brought(outcome, Stage.LABELS)} labels"
    quarantined = outcome.quarantined
    for number, found in enumerate(quarantined[:_MAX_NAMED]):
        what = "" if found.stage is Stage.INGEST else "labels of "
        reasons = "; ".join(found.reasons[:_MAX_NAMED])
        yield "" if number else "quarantined", f"{what}{found.days}: {reasons}"
    if len(quarantined) > _MAX_NAMED:
        yield "", f"and {len(quarantined) - _MAX_NAMED} more ranges of days"
    for one in outcome.trained:
        yield from _trained(one)
    for number, day in enumerate(outcome.monitored):
        yield "" if number else "monitored", _monitored(day)
    for number, failure in enumerate(outcome.failures):
        yield "" if number else "failed", failure


def _brought(outcome: Outcome, stage: Stage) -> str:
    found = [one for one in outcome.ingested if one.stage is stage]
    return f"{sum(one.partitions for one in found):,} day(s) with {sum(one.rows for one in found):,}"


def _trained(one: Trained) -> Iterator[tuple[str, str]]:
    scores = one.scores
    name = "champion" if one.version else "candidate"
    version = f"version {one.version}, " if one.version else ""
    yield (
        name,
        f"{version}trained until {one.until}: {scores.metric} {scores.candidate:.4f} on {scores.rows:,} "
        f"held-out rows",
    )
    yield "gate", f"{one.verdict.outcome}: {'; '.join(one.verdict.reasons)}"


def _monitored(one: Monitored) -> str:
    drifted = f"drifted: {', '.join(one.drifted[:_MAX_NAMED])}" if one.drifted else "no column drifted"
    more = f" and {len(one.drifted) - _MAX_NAMED} more" if len(one.drifted) > _MAX_NAMED else ""
    decision = "retrain" if one.retrain else "hold"
    return f"{one.day}, version {one.version}: {drifted}{more}; {decision}: {one.reason}"
