"""Scoring models on rows that they have not seen: the metric, its slices, the time for one row."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from include.contract.model import Model
from include.contract.types import Metric
from include.exceptions import NotEnoughData
from include.modelling import features

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MIN_ROWS = 100
"""A metric of fewer rows is noise."""
_LATENCY_CALLS = 30
LATENCY = "latency_ms"
"""The metric that holds the time for one row, and what `score` notes on its commit."""


def score(metric: Metric, truth: np.ndarray, prediction: np.ndarray) -> float:
    """A metric of scikit-learn; greater is better for all of them."""
    from sklearn import metrics

    functions = {
        Metric.ROC_AUC: metrics.roc_auc_score,
        Metric.AVERAGE_PRECISION: metrics.average_precision_score,
        Metric.NEG_LOG_LOSS: lambda *pair: -metrics.log_loss(*pair),
        Metric.NEG_BRIER_SCORE: lambda *pair: -metrics.brier_score_loss(*pair),
    }
    return float(functions[metric](truth, prediction))


def has_enough_rows(truth: np.ndarray) -> bool:
    """Whether a metric of these rows means anything: enough of them, of both classes."""
    return len(truth) >= MIN_ROWS and len(set(truth.tolist())) == 2


def held_out(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The rows of a holdout that can be scored; raises NotEnoughData if they are too few."""
    found = features.labelled(rows, model)
    if not has_enough_rows(features.target(found, model)):
        raise NotEnoughData(
            f"{len(found)} held-out rows with {found[model.target].nunique()} class(es) of {model.target!r}; "
            f"at least {MIN_ROWS} of both classes are needed: ingest more days, or widen training.holdout"
        )
    return found


def slices(
    metric: Metric, groups: pd.Series, truth: np.ndarray, predictions: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """The metric of each prediction on each group of rows; groups that cannot be judged are left out."""
    found = {}
    for name, rows in groups.groupby(groups.to_numpy(), sort=True):
        inside = groups.index.get_indexer(rows.index)
        if has_enough_rows(truth[inside]):
            found[str(name)] = {
                who: score(metric, truth[inside], given[inside]) for who, given in predictions.items()
            }
    return found


def latency_ms(estimator: Any, matrix: pd.DataFrame) -> float:
    """The median time of a prediction for a single row, in milliseconds."""
    row, times = matrix.head(1), []
    for _ in range(_LATENCY_CALLS):
        started = time.perf_counter()
        estimator.predict_proba(row)
        times.append(time.perf_counter() - started)
    return median(times) * 1000


def held_out_metric(metric: Metric) -> str:
    """The name under which a candidate's own score is kept on its training run."""
    return f"held_out.{metric.value}"
