"""The days that a training or a monitoring run looks at, from the contract and its last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from include.contract.monitoring import Monitoring
from include.contract.training import Training


def labelled_until(as_of: date, label_delay: timedelta) -> date:
    """Return the last day whose labels can be known when a day is over: `label_delay` after it began."""
    return as_of + timedelta(days=1) - label_delay


@dataclass(frozen=True)
class TrainingWindow:
    """The days of one training, all included: fitted from `first` to `fit_until`, held out up to `last`."""

    first: date
    fit_until: date
    last: date

    @classmethod
    def until(cls, last: date, training: Training) -> TrainingWindow:
        """Return the window that ends on a day. The holdout is always its latest part: the model's future."""
        return cls(
            first=last - training.window + timedelta(days=1), fit_until=last - training.holdout, last=last
        )

    @property
    def held_out(self) -> tuple[date, date]:
        """The first and the last day of the holdout."""
        return self.fit_until + timedelta(days=1), self.last


@dataclass(frozen=True)
class MonitoringWindow:
    """The days of one monitoring run, all included: `first` to `last`, with labels up to `labelled_until`."""

    first: date
    last: date
    labelled_until: date

    @classmethod
    def until(cls, as_of: date, monitoring: Monitoring) -> MonitoringWindow:
        """Return the window that ends with a day; a label is there `label_delay` after its day began."""
        return cls(
            first=as_of - monitoring.window + timedelta(days=1),
            last=as_of,
            labelled_until=labelled_until(as_of, monitoring.label_delay),
        )
