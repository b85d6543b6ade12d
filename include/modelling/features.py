"""Features and target: from rows of the lake to the matrix and the labels of a model."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from include.contract.model import Model
from include.exceptions import BadData
from include.floats import MAX_EXACT
from include.modelling.categories import text_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MAX_NAMED = 10
_NO_NUMBERS = (TypeError, ValueError, OverflowError)


def columns(model: Model, *others: str) -> list[str]:
    """Return the columns to read for a model: features, target, time, and others; each once."""
    return list(dict.fromkeys([*model.features.all, model.target, model.time, *others]))


def labelled(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the rows with a target."""
    return rows[rows[model.target].notna()]


def matrix(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the features of the rows: numbers as float64, categories as text, missing values as null.

    Raises BadData naming the column that is missing or occurs twice, or the column and the count of values
    that are no finite numbers, or no single values.
    """
    if missing := [name for name in model.features.all if name not in rows.columns]:
        raise BadData(f"column(s) {_named(missing)} are missing; the model needs them as features")
    if twice := [name for name in model.features.all if list(rows.columns).count(name) > 1]:
        raise BadData(f"column(s) {_named(twice)} occur more than once; give each column one name")
    features = rows[model.features.all].copy()
    for name in model.features.numerical:
        features[name] = _numbers(features[name], f"column {name!r}")
    for name in model.features.categorical:
        features[name] = _categories(features[name])
    return features


def rounded(rows: pd.DataFrame, model: Model) -> dict[str, int]:
    """Return for numerical features the count of whole numbers that are too long for float64, where any are.

    They lose their last digits: no matter for a measurement, but different identifiers become one.
    """
    counts = {name: _too_long(rows[name]) for name in model.features.numerical}
    return {name: count for name, count in counts.items() if count}


def require_values(matrix: pd.DataFrame, model: Model) -> None:
    """Raise BadData for features that are null in every row to learn from."""
    if empty := [name for name in model.features.all if matrix[name].isna().all()]:
        raise BadData(
            f"column(s) {_named(empty)} are null in all {len(matrix)} rows of the window: there is "
            "nothing to learn from; ingest days that hold values, or take them out of model.features"
        )


def labels(rows: pd.DataFrame, model: Model) -> pd.Series:
    """Return the target as 0.0, 1.0 or null; raises BadData if it holds anything else."""
    import pandas as pd

    given = rows[model.target]
    try:
        labels = given.astype("float64")
    except _NO_NUMBERS:  # its message quotes a value
        labels = pd.to_numeric(given.where(given.map(_is_number)), errors="coerce").astype("float64")
    if odd := int((~labels.isin([0.0, 1.0]) & given.notna()).sum()):
        raise BadData(
            f"target {model.target!r} holds values other than 0 and 1 in {odd} of {len(given)} rows "
            f"({given.dtype}, {_kinds(given)} different values); a binary task allows no others: let the "
            "source return 0, 1 or null"
        )
    return labels


def target(rows: pd.DataFrame, model: Model) -> np.ndarray:
    """Return the target as 0 and 1; raises BadData if it holds anything else, or is null in some row."""
    known = labels(rows, model)
    if known.isna().any():
        raise BadData(
            f"target {model.target!r} is null in {known.isna().sum()} of {len(known)} rows; leave those out"
        )
    truth: np.ndarray = known.to_numpy(dtype="int8")
    return truth


def _too_long(column: pd.Series) -> int:
    """Return how many whole numbers lie beyond 2^53: of 64 bits, or decimals."""
    if column.dtype.kind in "iu":
        # Not `abs`: it leaves the smallest number negative.
        return int(((column > MAX_EXACT) | (column < -MAX_EXACT)).sum())
    if column.dtype.kind == "O":
        return sum(map(_is_too_long, column))
    return 0


def _is_too_long(value: object) -> bool:
    if not isinstance(value, int | Decimal):
        return False
    whole = int(value)
    return value == whole and not -MAX_EXACT <= whole <= MAX_EXACT


def _numbers(column: pd.Series, where: str) -> pd.Series:
    """Return a column as float64; raises BadData with the count of other values than finite numbers."""
    import numpy as np

    try:
        if column.dtype.kind == "c":  # the cast would drop a part of it
            raise TypeError
        numbers = column.astype("float64")
    except _NO_NUMBERS:  # its message quotes a value
        odd = int((column.notna() & ~column.map(_is_number)).sum())
        raise BadData(
            f"{where} is not numeric: {odd} of {len(column)} values are no numbers ({column.dtype}); fix the "
            "source, or make it a categorical feature"
        ) from None
    if infinite := int(np.isinf(numbers.to_numpy()).sum()):
        raise BadData(
            f"{where} is infinite in {infinite} of {len(column)} rows; let the source return null or a "
            "finite number, for instance where it divides by zero"
        )
    return numbers


def _categories(column: pd.Series) -> pd.Series:
    """Return a column as text, missing values as None; raises BadData for lists and structures."""
    import pandas as pd

    if column.dtype.kind != "O":
        return text_of(column)
    given = column.astype("object").where(column.notna(), None)
    kind = pd.api.types.infer_dtype(given, skipna=True)
    if kind in ("string", "empty"):
        return given
    if kind == "mixed" and (nested := int(given.map(_is_nested).sum())):
        raise BadData(
            f"column {column.name!r} holds lists or structures in {nested} of {len(column)} rows; a feature "
            "is one value a row: flatten it in the source"
        )
    return text_of(column)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except _NO_NUMBERS:
        return False
    return True


def _is_nested(value: object) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes)


def _kinds(column: pd.Series) -> int:
    """Return the number of different values, of lists as well."""
    return int(column.dropna().map(repr).nunique())
