"""Section `model`: what is predicted, and from what."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
)

from include.contract.numbers import Seed
from include.contract.text import MLFLOW_NAMES, ColumnName, Text, check_characters, is_mlflow_name
from include.contract.types import Section
from include.excerpt import quote

PREDICTION = "prediction"
"""The column of a model's predictions, beside the features and the target."""
DAY = "_day"
"""The column with the day of a row's partition, beside its prediction."""


_PARAM_NAME = Text(250)


def _check_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters that MLflow can log; raises ValueError naming the first that it cannot."""
    for name, value in params.items():
        _PARAM_NAME.check(name)
        if not is_mlflow_name(name):
            raise ValueError(f"{quote(name)} is not a valid name in MLflow; use {MLFLOW_NAMES}")
        for part in _parts(value):
            _check_part(name, part)
    return params


def _parts(value: object) -> Iterator[object]:
    """Yield the keys and values within a value of YAML, and the value itself unless it holds others."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if not isinstance(value, list):
        yield value
        return
    for part in value:
        yield from _parts(part)


def _check_part(name: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{quote(name)}: {value} is not finite; write a number, or set it in `build`")
    if isinstance(value, str):
        try:
            check_characters(value, lines=True)
        except ValueError as error:
            raise ValueError(f"{quote(name)}: {error}") from error


class Features(Section):
    """The columns that the model sees."""

    numerical: list[ColumnName] = Field(default_factory=list)
    categorical: list[ColumnName] = Field(default_factory=list)

    @property
    def all(self) -> list[str]:
        """Numerical and categorical features, in this order."""
        return [*self.numerical, *self.categorical]


class Model(Section):
    """What is predicted, and from what."""

    task: Literal["binary"] = "binary"
    target: ColumnName
    time: ColumnName = Field(description="The time column that orders rows; holdout is always the latest.")
    features: Features
    params: Annotated[dict[str, Any], AfterValidator(_check_params)] = Field(
        default_factory=dict, description="Passed to the pipeline's `build`."
    )
    seed: Seed = 7
