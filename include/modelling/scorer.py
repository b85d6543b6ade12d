"""Stored models, ready to answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contract.model import Features, Model
from include.contract.pipeline import Pipeline
from include.modelling import features, training
from include.tracking.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Scorer:
    """An estimator with the features that it was trained on, which the contract may have changed since."""

    estimator: Any
    model: Model

    def matrix(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What the estimator takes of some rows."""
        return features.matrix(rows, self.model)

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """The probability of class 1 for each row, 0..1."""
        found: np.ndarray = self.estimator.predict_proba(self.matrix(rows))[:, 1]
        return found


def load(spec: Pipeline, folder: Path, tracking_uri: str, training_run: str) -> Scorer:
    """The model that a training run stored; raises Absent or Misconfigured."""
    registry = Registry(tracking_uri)
    return Scorer(
        estimator=registry.load(registry.model_of(training_run), training.trusted_types(folder)),
        model=trained_on(spec, tracking_uri, training_run),
    )


def trained_on(spec: Pipeline, tracking_uri: str, training_run: str) -> Model:
    """The contract's model with the features that a training run knew; raises Absent."""
    known = training.experiment(spec, tracking_uri).log(training_run).read(training.FEATURES)
    return spec.model.model_copy(update={"features": Features(**json.loads(known))})
