"""Section `monitoring`: what is watched, and when the champion is retrained."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from include.contract.numbers import NUMBER, Count, Share
from include.contract.text import ColumnName
from include.contract.types import Days, Metric, Section


class Methods(Section):
    """The distance from which on a column has drifted, by kind of column."""

    wasserstein: Annotated[float, Field(gt=0, le=1_000_000), NUMBER] = Field(
        0.1, description="Numerical features and predictions: Wasserstein distance in standard deviations."
    )
    jensenshannon: Annotated[float, Field(gt=0, le=1), NUMBER] = Field(
        0.1, description="Categorical features and the target: Jensen-Shannon distance, 0..1."
    )


class Drift(Section):
    """When a column has drifted, and when the data has."""

    share: Share = Field(0.3, description="The data has drifted when at least this share of features has.")
    methods: Methods = Methods()


class Performance(Section):
    """When the champion's performance counts as dropped."""

    metric: Metric = Metric.ROC_AUC
    max_drop: Share = 0.05


class Fairness(Section):
    """How far selection rates of groups may lie apart."""

    column: ColumnName
    max_gap: Share = 0.1
    selected_from: Share = Field(0.5, description="A prediction from here on counts as selected.")
    min_rows: Count = Field(100, description="Smaller groups are left out.")


class RetrainPolicy(Section):
    """The policy: how many failed days, out of how many, start a retrain."""

    failures: Annotated[int, Field(ge=1, le=366), NUMBER] = 2
    of: Annotated[int, Field(ge=1, le=366), NUMBER] = 3
    cooldown: Days = timedelta(days=3)
    min_rows: Count = 500

    @model_validator(mode="after")
    def _failures_reachable(self) -> RetrainPolicy:
        if self.failures > self.of:
            raise ValueError(f"failures ({self.failures}) can never be reached in {self.of} day(s)")
        return self


class Monitoring(Section):
    """What is monitored on every run, and with which limits."""

    window: Days = timedelta(days=7)
    label_delay: Days = timedelta(days=1)
    drift: Drift = Drift()
    performance: Performance | None = None
    fairness: Fairness | None = None
    retrain: RetrainPolicy = RetrainPolicy()

    @model_validator(mode="after")
    def _labels_are_in_time(self) -> Monitoring:
        if self.performance and self.label_delay > self.window:
            raise ValueError(
                f"label_delay ({self.label_delay.days}d) is longer than window ({self.window.days}d): no row "
                "of a window would have its target, and performance nothing to judge; widen window to at "
                f"least {self.label_delay.days}d, or remove performance"
            )
        return self
