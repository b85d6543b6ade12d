"""The ledger: every decision about a pipeline's model or data, once, in the order in which they were taken.

Each entry is a finished MLflow run in the experiment `<pipeline>.ledger`. Its key derives from what was
decided for which cause, so a step that is run again finds its entry and adds none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from include.run_identity import RunIdentity
from include.tracking.names import Artifact
from include.tracking.runs import Experiment
from include.tracking.tags import Tag

if TYPE_CHECKING:
    from mlflow.entities import Run


class Event(StrEnum):
    """Kinds of decisions."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    RETRAIN_DECIDED = "retrain decided"
    RETRAIN_HELD = "retrain held"
    DATA_ACCEPTED = "data accepted"
    DATA_DISCARDED = "data discarded"


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One decision: the `version` it is about, its `cause`, the DAG run it was taken `by`, and when."""

    event: Event
    reason: str
    version: int | None
    cause: str
    by: str
    at: datetime


class Ledger:
    """The ledger of one pipeline, in an experiment of its own (`tracking.names.ledger_runs`)."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def append(
        self,
        event: Event,
        *,
        cause: str,
        reason: str,
        run: RunIdentity,
        version: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Add an entry unless this event has one for this cause; `details` is kept beside it as JSON."""
        attempts = self._experiment.attempts(_key(event, cause))
        if attempts.finished is not None:
            return
        tags: dict[str, str] = {
            Tag.EVENT: event.value,
            Tag.REASON: reason,
            Tag.VERSION: "" if version is None else str(version),
            Tag.CAUSE: cause,
            Tag.BY: run.key,
            Tag.TRY: str(run.try_number),
        }
        with attempts.start(name=event.value, tags=tags) as run_log:
            if details is not None:
                run_log.log_json(details, Artifact.DETAILS)

    def has(self, event: Event, cause: str) -> bool:
        """Return whether there is an entry of this event for this cause."""
        return self._experiment.attempts(_key(event, cause)).finished is not None

    def entries(self, event: Event | None = None, *, limit: int = 100) -> list[LedgerEntry]:
        """Return the latest entries, newest first."""
        tags = {} if event is None else {Tag.EVENT: event.value}
        return [_entry(run) for run in self._experiment.find_runs(tags, limit=limit)]


def _key(event: Event, cause: str) -> str:
    return f"{event.value}/{cause}"


def _entry(run: Run) -> LedgerEntry:
    tags = run.data.tags
    return LedgerEntry(
        event=Event(tags[Tag.EVENT]),
        reason=tags[Tag.REASON],
        version=int(tags[Tag.VERSION]) if tags[Tag.VERSION] else None,
        cause=tags[Tag.CAUSE],
        by=tags[Tag.BY],
        at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
    )
