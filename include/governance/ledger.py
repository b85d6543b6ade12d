"""The ledger: every decision about a pipeline's model, once, in the order they were taken.

Each line is a finished MLflow run in the experiment `<pipeline>.ledger`. Its key derives from what was
decided by which run, so a step that is run again finds its line and adds none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from include.run_identity import RunIdentity
from include.tracking.runs import Experiment
from include.tracking.tags import Tag

if TYPE_CHECKING:
    from mlflow.entities import Run


class Event(StrEnum):
    """What was decided."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    RETRAIN_FIRED = "retrain fired"
    RETRAIN_HELD = "retrain held"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One decision: `version` it is about, `cause` it was taken for, `by` which DAG run, and when."""

    event: Event
    reason: str
    version: int | None
    cause: str
    by: str
    at: datetime


class Ledger:
    """The ledger of one pipeline."""

    def __init__(self, tracking_uri: str, pipeline: str) -> None:
        self._experiment = Experiment(tracking_uri, f"{pipeline}.ledger")

    def write(
        self,
        event: Event,
        *,
        cause: str,
        reason: str,
        run: RunIdentity,
        version: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Add a line unless this event has one for this cause; `details` is kept beside it as JSON."""
        if self.has(event, cause):
            return
        tags: dict[str, str] = {
            Tag.EVENT: event.value,
            Tag.REASON: reason,
            Tag.VERSION: "" if version is None else str(version),
            Tag.CAUSE: cause,
            Tag.BY: run.key,
        }
        with self._experiment.start(_key(event, cause), name=event.value, tags=tags) as line:
            if details is not None:
                line.json(details, "details.json")

    def has(self, event: Event, cause: str) -> bool:
        """Whether there is a line of this event for this cause."""
        return self._experiment.finished(_key(event, cause)) is not None

    def lines(self, event: Event | None = None, *, limit: int = 100) -> list[Line]:
        """The latest lines, newest first."""
        only = {} if event is None else {"event": event.value}
        return [_line(run) for run in self._experiment.search(limit=limit, **only)]


def _key(event: Event, cause: str) -> str:
    return f"{event.value}/{cause}"


def _line(run: Run) -> Line:
    tags = run.data.tags
    return Line(
        event=Event(tags[Tag.EVENT]),
        reason=tags[Tag.REASON],
        version=int(tags[Tag.VERSION]) if tags[Tag.VERSION] else None,
        cause=tags[Tag.CAUSE],
        by=tags[Tag.BY],
        at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
    )
