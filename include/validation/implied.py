"""Implied checks: what a contract needs of the rows, whether its suite says so or not.

Without them a missing feature, or text in a numerical one, would be published, and every later step fail.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from include.contract.pipeline import Pipeline
from include.validation.report import Check

if TYPE_CHECKING:
    import pandas as pd


def implied(rows: pd.DataFrame, pipeline: Pipeline) -> list[Check]:
    """Return the outcome of each implied check.

    Named columns exist, numerical features are finite numbers, and the target is 0 or 1, if there is any.
    """
    checks = [_exists(name, key, rows) for name, key in named(pipeline).items()]
    numerical, target = pipeline.model.features.numerical, pipeline.model.target
    checks += [
        _values("numbers", name, "model.features.numerical", _no_numbers(rows[name]))
        for name in numerical
        if name in rows
    ]
    if target in rows:
        checks.append(_values("0_or_1", target, "model.target", _no_labels(rows[target])))
    return checks


def named(pipeline: Pipeline) -> dict[str, str]:
    """Return the columns that a contract names, each with the first key that does."""
    model, slices, fairness = pipeline.model, pipeline.gate.slices, pipeline.monitoring.fairness
    keys = [
        *((name, "model.features.numerical") for name in model.features.numerical),
        *((name, "model.features.categorical") for name in model.features.categorical),
        (model.target, "model.target"),
        (model.time, "model.time"),
        *([(slices.column, "gate.slices.column")] if slices else []),
        *([(fairness.column, "monitoring.fairness.column")] if fairness else []),
    ]
    return dict(reversed(keys))


def _exists(name: str, key: str, rows: pd.DataFrame) -> Check:
    return Check(
        type="expect_column_to_exist",
        columns=name,
        rule=key,
        severity="critical",
        passed=name in rows,
        is_implied=True,
    )


def _values(what: str, name: str, key: str, odd: pd.Series) -> Check:
    count = int(odd.sum())
    return Check(
        type=f"expect_column_values_to_be_{what}",
        columns=name,
        rule=key,
        severity="critical",
        passed=count == 0,
        unexpected=count,
        rows=len(odd),
        is_implied=True,
    )


def _no_numbers(column: pd.Series) -> pd.Series:
    """Return which values are neither missing nor finite numbers."""
    import numpy as np

    numbers = _as_numbers(column)
    return column.notna() & ~np.isfinite(numbers)


def _no_labels(column: pd.Series) -> pd.Series:
    return column.notna() & ~_as_numbers(column).isin([0.0, 1.0])


def _as_numbers(column: pd.Series) -> pd.Series:
    """Return a column as floats, NaN where a value is not a number."""
    import pandas as pd

    if column.dtype.kind in "mM":  # pandas would count nanoseconds
        return pd.Series(float("nan"), column.index)
    if column.dtype.kind != "O":
        return column.astype("float64")
    plain = column.map(_plain)
    return pd.to_numeric(plain, errors="coerce").astype("float64")


def _plain(value: object) -> object:
    """Return what pandas can read as a number, and NaN for other kinds of values."""
    if isinstance(value, str | int | float):
        return value
    return float(value) if isinstance(value, Decimal) else float("nan")
