"""How far rows lie from those that the champion learned from, by Evidently.

Methods and thresholds are always given: left to itself, Evidently takes p-values for small references and
distances for large ones, and the same number would change its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.exceptions import NotEnoughData
from include.spec import Drift, Model
from include.training import PREDICTION

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """The distance of each column, the features beyond their threshold, and the report for people.

    `silent` names the columns that hold no value on one side: nothing is known about their drift, so
    they count neither as drifted nor as steady. `share` is of the features that could be judged, 0..1.
    """

    distances: dict[str, float]
    features: tuple[str, ...]
    silent: tuple[str, ...]
    share: float
    html: str


def measure(current: pd.DataFrame, reference: pd.DataFrame, model: Model, limits: Drift) -> Drifted:
    """Compare features, predictions and target of some rows with a reference.

    Raises NotEnoughData where no feature holds any value on both sides: that is no data, never no drift.
    """
    numerical = [*model.features.numerical, PREDICTION]
    categorical = [*model.features.categorical, model.target]
    silent = [
        name
        for name in [*numerical, *categorical]
        if current[name].isna().all() or reference[name].isna().all()
    ]
    judged = [name for name in model.features.all if name not in silent]
    if not judged:
        raise NotEnoughData(
            f"none of the {len(model.features.all)} features holds a value in the {len(current)} current and "
            f"the {len(reference)} reference rows; see what ingest loaded"
        )
    snapshot = _compare(current, reference, numerical, categorical, silent, limits)
    distances = {
        metric["config"]["column"]: float(metric["value"])
        for metric in snapshot.dict()["metrics"]
        if "column" in metric["config"]
    }
    limit = dict.fromkeys(numerical, limits.methods.wasserstein)
    limit |= dict.fromkeys(categorical, limits.methods.jensenshannon)
    drifted = tuple(name for name in judged if distances[name] >= limit[name])
    return Drifted(
        distances=distances,
        features=drifted,
        silent=tuple(silent),
        share=len(drifted) / len(judged),
        html=snapshot.get_html_str(as_iframe=False),
    )


def _compare(
    current: pd.DataFrame,
    reference: pd.DataFrame,
    numerical: list[str],
    categorical: list[str],
    silent: list[str],
    limits: Drift,
) -> Any:
    import numpy as np
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = [name for name in [*numerical, *categorical] if name not in silent]
    definition = DataDefinition(
        numerical_columns=[name for name in numerical if name in columns],
        categorical_columns=[name for name in categorical if name in columns],
    )
    preset = DataDriftPreset(
        columns=columns,
        drift_share=limits.share,
        num_method="wasserstein",
        num_threshold=limits.methods.wasserstein,
        cat_method="jensenshannon",
        cat_threshold=limits.methods.jensenshannon,
        include_tests=False,
    )
    sides = [Dataset.from_pandas(rows[columns], data_definition=definition) for rows in (current, reference)]
    with np.errstate(invalid="ignore"):  # a column that never changes correlates with none
        return Report([preset]).run(*sides)  # current first
