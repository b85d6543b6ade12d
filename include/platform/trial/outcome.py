"""What a trial has shown: days that came in, trainings, and monitored days."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from include.contract.feed import Stage
from include.modelling.comparison import Scores
from include.verdict import Verdict


@dataclass(frozen=True)
class Days:
    """Days from the first to the last, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        """Return the days in one text."""
        return f"{self.first}" if self.first == self.last else f"{self.first} … {self.last}"


@dataclass(frozen=True)
class Ingested:
    """Days that were published together, and their rows; the stage says of which table."""

    stage: Stage
    days: Days
    partitions: int
    rows: int


@dataclass(frozen=True)
class Quarantined:
    """Days that readers do not see, and why; the stage says of which table."""

    stage: Stage
    days: Days
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A training: what the gate decided on, its verdict, and the version if there is one now."""

    until: date
    cause: str
    scores: Scores
    verdict: Verdict
    version: int | None


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """A monitored day: what drifted, the verdict's reasons, and what the policy decided."""

    day: date
    version: int
    drifted: tuple[str, ...]
    reasons: tuple[str, ...]
    retrain: bool
    reason: str


@dataclass
class Outcome:
    """What a trial has shown so far; `failures` are what kept a step from ending."""

    ingested: list[Ingested] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    trained: list[Trained] = field(default_factory=list)
    monitored: list[Monitored] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def champion(self) -> Trained | None:
        """The latest training whose model became champion."""
        return next((one for one in reversed(self.trained) if one.version is not None), None)

    @property
    def is_closed(self) -> bool:
        """Whether each step of the loop has ended with data that passed and a champion."""
        return bool(self.champion and self.monitored and not self.quarantined and not self.failures)
