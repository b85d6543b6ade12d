"""Scorers: stored models, loaded with the features that they were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from include.contract.model import Features, Model
from include.contract.pipeline import Pipeline
from include.exceptions import BadData
from include.excerpt import quote
from include.modelling import features
from include.modelling.estimator import probabilities, trusted_types
from include.tracking.names import Artifact
from include.tracking.registry import Registry
from include.tracking.runs import RunLog

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Scorer:
    """An estimator with the features that it was trained on, which the contract may have changed since."""

    estimator: Any
    model: Model

    def matrix(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the features of some rows as the estimator takes them."""
        return features.matrix(rows, self.model)

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the probability of class 1 for each row, 0..1; raises JobFailed if the model gives none."""
        return probabilities(self.estimator, self.matrix(rows))


def load(pipeline: Pipeline, folder: Path, training_run: RunLog, registry: Registry) -> Scorer:
    """Return the model that a training run stored; raises Absent, BadData or Misconfigured."""
    return Scorer(
        estimator=registry.load_model(training_run.model_id, trusted_types(folder)),
        model=trained_model(pipeline, training_run),
    )


def trained_model(pipeline: Pipeline, training_run: RunLog) -> Model:
    """Return the contract's `model` with the features that a training run used; raises Absent or BadData."""
    content = training_run.download_artifact(Artifact.FEATURES)
    try:
        used = Features.model_validate_json(content)
    except ValidationError as error:
        raise BadData(
            f"{Artifact.FEATURES} of run {training_run.id!r} lists no features; train again"
        ) from error
    personal = {*pipeline.privacy.hash, *pipeline.privacy.drop}
    if hidden := [name for name in used.all if name in personal]:
        raise BadData(
            f"run {training_run.id!r} used {quote(hidden[0])} as a feature, whose values privacy.hash or "
            "privacy.drop hides by now; train again"
        )
    return pipeline.model.model_copy(update={"features": used})
