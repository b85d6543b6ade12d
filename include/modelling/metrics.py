"""Metrics of predictions on rows that a model has not seen: overall, by slice, and the latency."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from include.contract.model import Model
from include.contract.types import Metric
from include.exceptions import NotEnoughData
from include.modelling import features

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MIN_ROWS = 100
"""A metric of fewer rows is noise, and so is a model fitted on fewer."""
_LATENCY_CALLS = 11

Key = TypeVar("Key")


def score(metric: Metric, truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return a metric of scikit-learn; greater is better for all of them."""
    from sklearn import metrics

    functions = {
        Metric.ROC_AUC: metrics.roc_auc_score,
        Metric.AVERAGE_PRECISION: metrics.average_precision_score,
        Metric.NEG_LOG_LOSS: lambda *pair: -metrics.log_loss(*pair),
        Metric.NEG_BRIER_SCORE: lambda *pair: -metrics.brier_score_loss(*pair),
    }
    return float(functions[metric](truth, prediction))


def has_enough_rows(truth: np.ndarray) -> bool:
    """Return whether a metric of these rows is meaningful: at least `MIN_ROWS`, of both classes."""
    return len(truth) >= MIN_ROWS and len(set(truth.tolist())) == 2


def held_out(rows: pd.DataFrame, model: Model, why: str = "") -> pd.DataFrame:
    """Return the labelled rows of a holdout; raises NotEnoughData if a metric of them is meaningless.

    `why` ends that message with what is known of missing labels.
    """
    labelled = features.labelled(rows, model)
    if not has_enough_rows(features.target(labelled, model)):
        raise NotEnoughData(
            f"{len(labelled)} held-out rows with {labelled[model.target].nunique()} class(es) of "
            f"{model.target!r}; at least {MIN_ROWS} of both classes are needed: ingest more days, or widen "
            f"training.holdout{why}"
        )
    return labelled


def slices(
    metric: Metric, groups: pd.Series, truth: np.ndarray, predictions: Mapping[Key, np.ndarray]
) -> dict[str, dict[Key, float]]:
    """Return the metric of each prediction on each group of rows; groups with too few rows are left out."""
    scores = {}
    for name, rows in groups.groupby(groups.to_numpy(), sort=True):
        inside = groups.index.get_indexer(rows.index)
        if has_enough_rows(truth[inside]):
            scores[str(name)] = {
                key: score(metric, truth[inside], prediction[inside])
                for key, prediction in predictions.items()
            }
    return scores


def latency_ms(estimator: Any, matrix: pd.DataFrame) -> float:
    """Return the median time of a prediction for a single row, in milliseconds."""
    row, seconds = matrix.head(1), []
    for _ in range(_LATENCY_CALLS):
        started = time.perf_counter()
        estimator.predict_proba(row)
        seconds.append(time.perf_counter() - started)
    return median(seconds) * 1000
