"""Features and target: from rows of the lake to the matrix and the labels of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.contract.model import Model
from include.exceptions import BadData

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def columns(model: Model, *others: str) -> list[str]:
    """Return the columns to read for a model: features, target, time, and others; each once."""
    return list(dict.fromkeys([*model.features.all, model.target, model.time, *others]))


def labelled(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the rows with a target."""
    return rows[rows[model.target].notna()]


def matrix(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the features of the rows: numbers as float64, categories as text, missing values as null.

    Raises BadData naming the column that is missing or is not numeric.
    """
    if missing := [name for name in model.features.all if name not in rows.columns]:
        raise BadData(f"column(s) {', '.join(missing)} are missing; the model needs them as features")
    features = rows[model.features.all].copy()
    for name in model.features.numerical:
        try:
            features[name] = features[name].astype("float64")
        except (TypeError, ValueError) as error:
            raise BadData(
                f"column {name!r} is not numeric ({features[name].dtype}); fix the source"
            ) from error
    for name in model.features.categorical:
        features[name] = features[name].astype("object").where(features[name].notna(), None)
    return features


def labels(rows: pd.DataFrame, model: Model) -> pd.Series:
    """Return the target as 0.0, 1.0 or null; raises BadData if it holds anything else."""
    fault = f"target {model.target!r} holds values other than 0 and 1; a binary task allows no others"
    try:
        labels = rows[model.target].astype("float64")
    except (TypeError, ValueError) as error:
        raise BadData(fault) from error
    if not set(labels.dropna().unique()) <= {0.0, 1.0}:
        raise BadData(fault)
    return labels


def target(rows: pd.DataFrame, model: Model) -> np.ndarray:
    """Return the target as 0 and 1; raises BadData if it holds anything else, or is null in some row."""
    known = labels(rows, model)
    if known.isna().any():
        raise BadData(f"target {model.target!r} is null in {known.isna().sum()} of {len(known)} rows")
    truth: np.ndarray = known.to_numpy(dtype="int8")
    return truth
