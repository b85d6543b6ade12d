"""The days that a training or a monitoring run looks at, from the contract and its last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from include.contract.monitoring import Monitoring
from include.contract.training import Training


@dataclass(frozen=True)
class TrainingWindow:
    """The days of one training, all included: fitted from `first` to `fitted`, held out up to `last`."""

    first: date
    fitted: date
    last: date

    @classmethod
    def until(cls, last: date, training: Training) -> TrainingWindow:
        """The window that ends on a day. The holdout is always its latest part: the model's future."""
        return cls(
            first=last - training.window + timedelta(days=1), fitted=last - training.holdout, last=last
        )

    @property
    def held_out(self) -> tuple[date, date]:
        """The first and the last day of the holdout."""
        return self.fitted + timedelta(days=1), self.last


@dataclass(frozen=True)
class MonitoringWindow:
    """The days that a night looks at: `first` to `last`; labels count up to `labelled`. All included."""

    first: date
    last: date
    labelled: date

    @classmethod
    def until(cls, night: date, monitoring: Monitoring) -> MonitoringWindow:
        """The window that ends with a night; a label is there `label_delay` after its day began."""
        return cls(
            first=night - monitoring.window + timedelta(days=1),
            last=night,
            labelled=night + timedelta(days=1) - monitoring.label_delay,
        )
