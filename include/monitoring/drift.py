"""Drift: how far rows lie from those that the champion learned from, measured by Evidently.

Methods and thresholds are always given. Left to itself, Evidently takes p-values for small references and
distances for large ones, and the same number would change its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from include.contract.model import PREDICTION, Model
from include.contract.monitoring import Drift
from include.exceptions import NotEnoughData
from include.monitoring.findings import Findings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class DriftResult:
    """The distance of each column, the features beyond their threshold, and the report for people.

    `unmeasurable` names the columns without any value on one side: they count neither as drifted nor as
    steady. `share` is that of the measurable features which drifted, `missing` for each feature that of the
    current rows without a value, 0..1.
    """

    distances: dict[str, float]
    features: tuple[str, ...]
    unmeasurable: tuple[str, ...]
    share: float
    missing: dict[str, float]
    html: str


def measure(current: pd.DataFrame, reference: pd.DataFrame, model: Model, limits: Drift) -> DriftResult:
    """Compare features, predictions and target of some rows with a reference.

    Raises NotEnoughData where no feature has any value on both sides: missing data is not a lack of drift.
    """
    methods = _methods(model, limits)
    unmeasurable = tuple(
        name for name in methods if current[name].isna().all() or reference[name].isna().all()
    )
    measurable = [name for name in model.features.all if name not in unmeasurable]
    if not measurable:
        raise NotEnoughData(
            f"none of the {len(model.features.all)} features holds a value in the {len(current)} current and "
            f"the {len(reference)} reference rows; see what ingest loaded"
        )
    snapshot = _compare(
        current, reference, {name: method for name, method in methods.items() if name not in unmeasurable}
    )
    distances = {metric["config"]["column"]: float(metric["value"]) for metric in snapshot.dict()["metrics"]}
    drifted = tuple(name for name in measurable if distances[name] >= methods[name].threshold)
    return DriftResult(
        distances=distances,
        features=drifted,
        unmeasurable=unmeasurable,
        share=len(drifted) / len(measurable),
        missing={name: float(current[name].isna().mean()) for name in model.features.all},
        html=snapshot.get_html_str(as_iframe=False),
    )


def assess(drift: DriftResult, limits: Drift) -> Findings:
    """Return distances and missing shares, and a reason if too large a share of the features drifted."""
    numbers = {f"drift.{name}": distance for name, distance in drift.distances.items()}
    numbers |= {f"missing.{name}": share for name, share in drift.missing.items()}
    numbers["drifted.share"] = drift.share  # not `drift.share`: that is the distance of a column `share`
    if drift.share < limits.share:
        return Findings(numbers)
    names = ", ".join(drift.features)
    reason = f"{drift.share:.2f} of the features drifted, the limit is {limits.share:g}: {names}"
    return Findings(numbers, [reason])


class _Method(NamedTuple):
    """How a column's distance is measured, and from which distance on the column has drifted."""

    name: str
    threshold: float


def columns(model: Model) -> list[str]:
    """Return the columns that are compared: features, target and predictions."""
    return [*model.features.all, model.target, PREDICTION]


def _methods(model: Model, limits: Drift) -> dict[str, _Method]:
    numbers = _Method("wasserstein", limits.methods.wasserstein)
    categories = _Method("jensenshannon", limits.methods.jensenshannon)
    return {
        **dict.fromkeys([*model.features.numerical, PREDICTION], numbers),
        **dict.fromkeys([*model.features.categorical, model.target], categories),
    }


def _compare(current: pd.DataFrame, reference: pd.DataFrame, methods: Mapping[str, _Method]) -> Any:
    """Return Evidently's snapshot with one metric a column.

    Evidently's preset would compute and draw every column twice.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[name for name, method in methods.items() if method.name == "wasserstein"],
        categorical_columns=[name for name, method in methods.items() if method.name == "jensenshannon"],
    )
    metrics = [
        ValueDrift(column=name, method=method.name, threshold=method.threshold)
        for name, method in methods.items()
    ]
    sides = [
        Dataset.from_pandas(_escaped(rows[list(methods)]), data_definition=definition)
        for rows in (current, reference)
    ]
    return Report(metrics).run(*sides)  # current first


def _escaped(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with their texts escaped for HTML, which keeps different texts different.

    Evidently (0.7) writes categories into the scripts of its page as they are, where a text of the data would
    become part of the script. Drop once it escapes them.
    """
    texts = rows.select_dtypes(include=["object", "string", "category"])
    return rows.assign(**{name: _escape_each(column) for name, column in texts.items()})


def _escape_each(column: pd.Series) -> pd.Series:
    found = {text: escape(text) for text in column.unique() if isinstance(text, str)}
    changed = {text: escaped for text, escaped in found.items() if text != escaped}
    return column.astype("object").map(lambda value: changed.get(value, value)) if changed else column
