"""Watching a champion: one monitoring run a night, and what its series means.

A night's run is in the experiment `<pipeline>.monitor`: numbers as metrics, the Evidently report and the
verdict as artifacts, and as tags what the policy asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.contract.monitoring import RetrainPolicy
from include.contract.pipeline import Pipeline
from include.contract.windows import MonitoringWindow
from include.governance.ledger import Event, Ledger
from include.monitoring import policy
from include.monitoring.history import BREACHED, KEPT, ROWS, experiment
from include.run_identity import RunIdentity
from include.tracking.tags import Tag
from include.verdict import Verdict

if TYPE_CHECKING:
    from mlflow.entities import Run

_LOOK_BACK = 100
"""Firings: years of them. MLflow cannot be asked for those before a day."""


def decide(
    spec: Pipeline, *, tracking_uri: str, night: date, version: int, run: RunIdentity
) -> dict[str, Any] | None:
    """Apply the policy to the verdicts of a champion up to a night; None while the night has none.

    Returns `{fire, cause, reason, until, drifted, verdict}`; a retrain is to learn from the days `until`
    which labels are known. A broken limit leaves a line in the ledger, whether it fires or is held; the same
    night and champion always have the same cause.
    """
    nights = experiment(spec, tracking_uri)
    this = next(iter(nights.search(limit=1, night=night.isoformat(), version=str(version))), None)
    if this is None:
        return None
    ledger, cause = Ledger(tracking_uri, spec.name), f"drift-sensor__{night}__v{version}"
    rule = spec.monitoring.retrain
    earlier = nights.browse(newest=f"tags.`{Tag.NIGHT}`", version=str(version))
    decision = policy.decide_retrain(
        rule,
        _series(this, earlier, rule),
        last_fired=_last_fired(ledger, night, cause),
        learned=date.fromisoformat(this.data.tags[Tag.LEARNED]),
    )
    breached = this.data.tags[Tag.STATE] == BREACHED
    if decision.fire or breached:
        event = Event.RETRAIN_FIRED if decision.fire else Event.RETRAIN_HELD
        ledger.write(event, cause=cause, reason=decision.reason, run=run, version=version)
    return {
        "fire": decision.fire,
        "cause": cause,
        "reason": _told(decision, this),
        "until": MonitoringWindow.until(night, spec.monitoring).labelled.isoformat(),
        "drifted": [name for name in this.data.tags[Tag.DRIFTED].split(",") if name],
        "verdict": _verdict(this).to_json(),
    }


def _series(this: Run, latest_first: Iterator[Run], rule: RetrainPolicy) -> list[policy.DailyResult]:
    """A night and those before it that count, each by its newest run; as many as the policy looks at."""
    found = [_night(this)]
    for day, runs in groupby(latest_first, key=lambda run: _night(run).date):
        if day < found[0].date:
            found.append(_night(max(runs, key=lambda run: int(run.info.start_time))))
            if sum(night.rows >= rule.min_rows for night in found) >= rule.of:
                break
    return found


def _night(run: Run) -> policy.DailyResult:
    tags = run.data.tags
    return policy.DailyResult(
        date=date.fromisoformat(tags[Tag.NIGHT]),
        breached=tags[Tag.STATE] == BREACHED,
        rows=int(run.data.metrics[ROWS]),
    )


def _last_fired(ledger: Ledger, night: date, cause: str) -> date | None:
    """The last night up to this one that fired, be it for another champion, but for this very cause."""
    fired = (line.cause for line in ledger.lines(Event.RETRAIN_FIRED, limit=_LOOK_BACK))
    days = (date.fromisoformat(other.split("__")[1]) for other in fired if other != cause)
    return max((day for day in days if day <= night), default=None)


def _told(decision: policy.Decision, run: Run) -> str:
    return "; ".join(text for text in (decision.reason, run.data.tags[Tag.REASONS]) if text)[:500]


def _verdict(run: Run) -> Verdict:
    reasons = tuple(text for text in run.data.tags[Tag.REASONS].split("; ") if text)
    return Verdict(passed=run.data.tags[Tag.STATE] == KEPT, reasons=reasons, numbers=dict(run.data.metrics))
