"""Section `model`: what is predicted, and from what."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    Field,
)

from include.contract.types import Section

PREDICTION = "prediction"
"""The column of a model's predictions, beside the features and the target."""


class Features(Section):
    """The columns that the model sees."""

    numerical: list[str] = Field(default_factory=list)
    categorical: list[str] = Field(default_factory=list)

    @property
    def all(self) -> list[str]:
        """Numerical and categorical features, in this order."""
        return [*self.numerical, *self.categorical]


class Model(Section):
    """What is predicted, and from what."""

    task: Literal["binary"] = "binary"
    target: str
    time: str = Field(description="The time column that orders rows; holdout is always the latest.")
    features: Features
    params: dict[str, Any] = Field(default_factory=dict, description="Passed to the pipeline's `build`.")
    seed: int = 7
