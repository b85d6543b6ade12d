"""From rows of the lake to what a model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.contract.model import Model
from include.exceptions import BadData

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def columns(model: Model, *others: str) -> list[str]:
    """The columns to read for a model: features, target, time, and others; each once."""
    return list(dict.fromkeys([*model.features.all, model.target, model.time, *others]))


def labelled(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The rows whose target is known."""
    return rows[rows[model.target].notna()]


def matrix(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The features as a model takes them: numbers as float64, categories as text, missing ones as null.

    Raises BadData naming the column that is missing or holds no numbers.
    """
    if missing := [name for name in model.features.all if name not in rows.columns]:
        raise BadData(f"column(s) {', '.join(missing)} are missing; the model needs them as features")
    found = rows[model.features.all].copy()
    for name in model.features.numerical:
        try:
            found[name] = found[name].astype("float64")
        except (TypeError, ValueError) as error:
            raise BadData(
                f"column {name!r} holds no numbers ({found[name].dtype}); mend the source"
            ) from error
    for name in model.features.categorical:
        found[name] = found[name].astype("object").where(found[name].notna(), None)
    return found


def labels(rows: pd.DataFrame, model: Model) -> pd.Series:
    """The target as 0.0 and 1.0, null where it is not known; raises BadData if it holds anything else."""
    fault = f"target {model.target!r} holds more than 0 and 1; a binary task knows no others"
    try:
        found = rows[model.target].astype("float64")
    except (TypeError, ValueError) as error:
        raise BadData(fault) from error
    if not set(found.dropna().unique()) <= {0.0, 1.0}:
        raise BadData(fault)
    return found


def target(rows: pd.DataFrame, model: Model) -> np.ndarray:
    """The target as 0 and 1; raises BadData if it holds anything else, or is not known for some row."""
    found = labels(rows, model)
    if found.isna().any():
        raise BadData(f"target {model.target!r} is null in {found.isna().sum()} of {len(found)} rows")
    truth: np.ndarray = found.to_numpy(dtype="int8")
    return truth
