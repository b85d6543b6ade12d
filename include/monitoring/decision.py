"""The decision of a monitoring day: apply the policy to the history, and record what it decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from include.contract.pipeline import Pipeline
from include.contract.windows import MonitoringWindow
from include.governance.ledger import Event, Ledger
from include.monitoring.history import MonitoringHistory
from include.monitoring.policy import decide_retrain, latest_results
from include.monitoring.verdict import MonitoringVerdict
from include.record import Record
from include.run_identity import RunIdentity

_MAX_LOOKED_AT = 100
"""Entries of the ledger, years of retrains: MLflow cannot be searched for those before a day."""
_MAX_REASON = 500
"""Characters; the training DAG takes no longer reason."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a retrain is started: a day and a champion. As text it is the id of the run that it starts."""

    as_of: date
    version: int

    SENSOR: ClassVar = "drift-sensor"

    def __str__(self) -> str:
        return f"{self.SENSOR}__{self.as_of}__v{self.version}"

    @classmethod
    def parse(cls, text: str) -> Cause:
        """Return the cause that a text stands for; raises ValueError for any other text."""
        sensor, as_of, version = text.split("__")
        if sensor != cls.SENSOR:
            raise ValueError(f"{text!r} is not a cause of the drift sensor")
        return cls(as_of=date.fromisoformat(as_of), version=int(version.removeprefix("v")))


class RetrainDecision(Record):
    """What the policy decided for a day, and what a retrain is started with.

    `until` is the last day with known labels, up to which a retrain is to learn.
    """

    retrain: bool
    cause: str
    reason: str
    until: date
    verdict: MonitoringVerdict


def decide(
    pipeline: Pipeline,
    history: MonitoringHistory,
    ledger: Ledger,
    *,
    as_of: date,
    version: int,
    run: RunIdentity,
) -> RetrainDecision | None:
    """Apply the policy to the results of a champion up to a day; None while the day has no verdict.

    A day that failed leaves an entry in the ledger, whether it retrains or is held. The same day and champion
    always have the same cause.
    """
    monitoring_run = history.find(as_of, version)
    if monitoring_run is None:
        return None
    cause, policy = Cause(as_of=as_of, version=version), pipeline.monitoring.retrain
    decision = decide_retrain(
        policy,
        latest_results(policy, monitoring_run.result, history.results_before(as_of, version)),
        last_retrain=_last_retrain(ledger, cause),
        trained_until=monitoring_run.day.trained_until,
    )
    if decision.retrain or not monitoring_run.result.passed:
        event = Event.RETRAIN_DECIDED if decision.retrain else Event.RETRAIN_HELD
        ledger.append(event, cause=str(cause), reason=decision.reason, run=run, version=version)
    verdict = monitoring_run.verdict()
    return RetrainDecision(
        retrain=decision.retrain,
        cause=str(cause),
        reason="; ".join([decision.reason, *verdict.reasons])[:_MAX_REASON],
        until=MonitoringWindow.until(as_of, pipeline.monitoring).labelled_until,
        verdict=verdict,
    )


def _last_retrain(ledger: Ledger, cause: Cause) -> date | None:
    """Return the last day up to this one that caused a retrain, for any champion, except for this cause."""
    entries = ledger.entries(Event.RETRAIN_DECIDED, limit=_MAX_LOOKED_AT)
    causes = (Cause.parse(entry.cause) for entry in entries)
    days = (other.as_of for other in causes if other != cause and other.as_of <= cause.as_of)
    return max(days, default=None)
