"""Implied checks: what a contract needs of the rows, whether its suite says so or not.

Without them a missing feature, or text in a numerical one, would be published, and every later step fail.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from include.contract.feed import Feed, Stage
from include.validation.report import Check

if TYPE_CHECKING:
    import pandas as pd

_TARGET = "\0target"
"""A name that no column has: the contract refuses control characters."""
_NONE = -1.0


def implied(rows: pd.DataFrame, feed: Feed) -> list[Check]:
    """Return the outcome of each implied check on the rows of one day.

    Required columns exist, numerical features are finite numbers, and the target is 0 or 1, if there is any.
    Labels have their keys, and one target for each.
    """
    checks = [_exists(name, key, rows) for name, key in feed.required.items()]
    checks += [
        _values("be_numbers", name, "model.features.numerical", _no_numbers(rows[name]))
        for name, key in feed.required.items()
        if name in feed.numbers and name in rows
    ]
    target = feed.target
    if target is not None and target in rows:
        checks.append(_values("be_0_or_1", target, feed.required[target], _no_labels(rows[target])))
    if feed.stage is Stage.LABELS:
        checks += _of_keys(rows, feed)
    return checks


def _of_keys(rows: pd.DataFrame, feed: Feed) -> list[Check]:
    """Return whether each label names its row, and no two of the day say different things about one."""
    there = [name for name in feed.keys if name in rows]
    single = {name: _no_single(rows[name]) for name in there}
    checks = [_values("be_single", name, "labels.keys", odd) for name, odd in single.items()]
    checks += [_values("not_be_null", name, "labels.keys", rows[name].isna()) for name in there]
    if len(there) == len(feed.keys) and feed.target in rows and not any(odd.any() for odd in single.values()):
        odd = _contradicted(rows, list(feed.keys), rows[feed.target])
        checks.append(_values("agree_on_the_target", ", ".join(feed.keys), "labels.keys", odd))
    return checks


def _no_single(column: pd.Series) -> pd.Series:
    """Return which values are lists or structures, which no row can be found by."""
    if column.dtype.kind != "O":
        return column.isna() & column.notna()
    return column.map(lambda value: hasattr(value, "__len__") and not isinstance(value, str | bytes))


def _contradicted(rows: pd.DataFrame, keys: list[str], target: pd.Series) -> pd.Series:
    """Return which labels have a key that occurs with another target, too; none is one of them."""
    labels = rows[keys].assign(**{_TARGET: _as_numbers(target).fillna(_NONE)})
    groups = labels.groupby(keys, dropna=True, sort=False, observed=True)[_TARGET]
    return (groups.transform("min") != groups.transform("max")) & rows[keys].notna().all(axis=1)


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
        type=f"expect_column_values_to_{what}",
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
