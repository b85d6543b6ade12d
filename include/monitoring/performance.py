"""Performance: the champion's metric on labelled rows, against its metric at training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.contract.model import PREDICTION, Model
from include.contract.monitoring import Performance
from include.modelling import features
from include.modelling.metrics import has_enough_rows, score
from include.monitoring.findings import Findings

if TYPE_CHECKING:
    import pandas as pd


def assess(labelled: pd.DataFrame, model: Model, held_out: float | None, limits: Performance) -> Findings:
    """Return the metric now and at training, and a reason if it fell by more than its limit.

    `labelled` are rows with target and prediction; `held_out` is the champion's metric when it was trained,
    None if it is not known. Nothing is found where one of the two would be meaningless.
    """
    truth = features.target(labelled, model)
    if held_out is None or not has_enough_rows(truth):
        return Findings()
    metric = limits.metric
    current = score(metric, truth, labelled[PREDICTION].to_numpy())
    numbers = {f"performance.{metric}": current, "performance.held_out": held_out}
    if held_out - current <= limits.max_drop:
        return Findings(numbers)
    reason = (
        f"{metric} fell from {held_out:.4f} at training to {current:.4f}, by more than {limits.max_drop:g}"
    )
    return Findings(numbers, [reason])
