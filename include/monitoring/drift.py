"""How far rows lie from those that the champion learned from, by Evidently.

Methods and thresholds are always given: left to itself, Evidently takes p-values for small references and
distances for large ones, and the same number would change its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from include.contract.model import PREDICTION, Model
from include.contract.monitoring import Drift
from include.exceptions import NotEnoughData

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class DriftResult:
    """The distance of each column, the features beyond their threshold, and the report for people.

    `silent` names the columns that hold no value on one side: nothing is known about their drift, so
    they count neither as drifted nor as steady. `share` is of the features that could be judged, 0..1.
    """

    distances: dict[str, float]
    features: tuple[str, ...]
    silent: tuple[str, ...]
    share: float
    html: str


def measure(current: pd.DataFrame, reference: pd.DataFrame, model: Model, limits: Drift) -> DriftResult:
    """Compare features, predictions and target of some rows with a reference.

    Raises NotEnoughData where no feature holds any value on both sides: that is no data, never no drift.
    """
    methods = _methods(model, limits)
    silent = tuple(name for name in methods if current[name].isna().all() or reference[name].isna().all())
    judged = [name for name in model.features.all if name not in silent]
    if not judged:
        raise NotEnoughData(
            f"none of the {len(model.features.all)} features holds a value in the {len(current)} current and "
            f"the {len(reference)} reference rows; see what ingest loaded"
        )
    snapshot = _compare(
        current, reference, {name: how for name, how in methods.items() if name not in silent}
    )
    distances = {metric["config"]["column"]: float(metric["value"]) for metric in snapshot.dict()["metrics"]}
    drifted = tuple(name for name in judged if distances[name] >= methods[name].threshold)
    return DriftResult(
        distances=distances,
        features=drifted,
        silent=silent,
        share=len(drifted) / len(judged),
        html=snapshot.get_html_str(as_iframe=False),
    )


class _Method(NamedTuple):
    """How a column's distance is measured, and from where on it has drifted."""

    name: str
    threshold: float


def _methods(model: Model, limits: Drift) -> dict[str, _Method]:
    numbers = _Method("wasserstein", limits.methods.wasserstein)
    categories = _Method("jensenshannon", limits.methods.jensenshannon)
    return {
        **dict.fromkeys([*model.features.numerical, PREDICTION], numbers),
        **dict.fromkeys([*model.features.categorical, model.target], categories),
    }


def _compare(current: pd.DataFrame, reference: pd.DataFrame, methods: Mapping[str, _Method]) -> Any:
    """One metric a column. (Evidently's preset computes and draws every column a second time.)"""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[name for name, how in methods.items() if how.name == "wasserstein"],
        categorical_columns=[name for name, how in methods.items() if how.name == "jensenshannon"],
    )
    metrics = [
        ValueDrift(column=name, method=how.name, threshold=how.threshold) for name, how in methods.items()
    ]
    sides = [
        Dataset.from_pandas(rows[list(methods)], data_definition=definition) for rows in (current, reference)
    ]
    return Report(metrics).run(*sides)  # current first
