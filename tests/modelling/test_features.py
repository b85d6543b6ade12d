"""From rows to what a model takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.contract.model import Features, Model
from include.exceptions import BadData
from include.lake.frames import to_frame
from include.modelling import features

MODEL = Model(target="late", time="at", features=Features(numerical=["a"], categorical=["b"]))


def test_every_column_is_read_once() -> None:
    assert features.columns(MODEL, "b", "group", "at") == ["a", "b", "late", "at", "group"]


@pytest.mark.parametrize(
    "given",
    [[1, 2, 3], [1.0, 2.0, 3.0], [Decimal(1), Decimal(2), Decimal(3)], pd.array([1, 2, 3], dtype="Int64")],
    ids=["whole", "float", "decimal", "nullable"],
)
def test_numbers_are_floats_whatever_the_source_said(given: Any) -> None:
    found = features.matrix(pd.DataFrame({"b": ["x", "y", "z"], "a": given, "other": 1}), MODEL)
    assert found["a"].tolist() == [1.0, 2.0, 3.0]
    assert (list(found.columns), found["a"].dtype) == (["a", "b"], np.dtype("float64"))


def test_what_is_missing_is_null_in_numbers_and_in_categories() -> None:
    rows = pd.DataFrame({"a": [1, None], "b": pd.Series(["x", np.nan], dtype="category")})
    found = features.matrix(rows, MODEL)
    assert found["a"].isna().tolist() == [False, True]
    assert found["b"].tolist() == ["x", None]


def test_categories_are_text_whatever_their_neighbours_are() -> None:
    """Found by scikit-learn/scikit-learn#15396 and others: 1 beside a null was 1.0."""
    model = Model(target="y", time="t", features=Features(categorical=["plan", "member"]))
    windows = [
        pa.table({"plan": [1, 2], "member": [True, False]}),
        pa.table({"plan": [1, None], "member": [True, None]}),
    ]
    found = [features.matrix(to_frame(window), model).to_numpy().tolist() for window in windows]
    assert found == [[["1", "true"], ["2", "false"]], [["1", "true"], [None, None]]]


@pytest.mark.parametrize(
    "given",
    [
        pd.Series([2**53 + 1, -(2**63), 2**53, None], dtype="Int64"),
        pd.Series([2**53 + 1, 2**63, 1, 0], dtype="uint64"),
        pd.Series([Decimal(2**53 + 1), Decimal(2) ** 70, Decimal("1.5"), None]),
    ],
    ids=["whole", "without sign", "decimal"],
)
def test_whole_numbers_too_long_for_a_float_are_counted(given: pd.Series) -> None:
    assert features.rounded(pd.DataFrame({"a": given, "b": "x"}), MODEL) == {"a": 2}


def test_numbers_that_a_float_holds_are_not_counted() -> None:
    for given in ([2**53, -(2**53)], [1e300, 0.1], [Decimal("0.12345678901234567890"), None], [True, None]):
        assert features.rounded(pd.DataFrame({"a": given}), MODEL) == {}


def test_the_rows_themselves_stay_as_they_are() -> None:
    rows = pd.DataFrame({"a": [1], "b": ["x"]})
    features.matrix(rows, MODEL)
    assert rows.dtypes["a"] == np.dtype("int64")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"c": [1]}, r"column\(s\) a, b are missing; the model needs them as features"),
        ({"a": ["one"], "b": ["x"]}, "column 'a' is not numeric"),
        ({"a": pd.to_datetime(["2024-01-01"]), "b": ["x"]}, "column 'a' is not numeric"),
    ],
    ids=["missing", "words", "times"],
)
def test_what_no_model_can_take_is_bad_data_and_is_not_told(rows: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message) as caught:
        features.matrix(pd.DataFrame(rows), MODEL)
    assert "one" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [[0, 1, 1], [False, True, True], [0.0, 1.0, 1.0], pd.array([0, 1, 1], dtype="Int64")], ids=str
)
def test_a_target_is_nothing_and_one(given: Any) -> None:
    found = features.target(pd.DataFrame({"late": given}), MODEL)
    assert (found.tolist(), found.dtype) == ([0, 1, 1], np.dtype("int8"))


@pytest.mark.parametrize("given", [[0, 2], [0.5, 1], ["no", "yes"], [[], []]], ids=str)
def test_any_other_target_is_bad_data(given: Any) -> None:
    with pytest.raises(BadData, match="target 'late' holds values other than 0 and 1"):
        features.target(pd.DataFrame({"late": given}), MODEL)


def test_a_target_that_is_not_known_everywhere_is_refused() -> None:
    with pytest.raises(BadData, match="target 'late' is null in 1 of 2 rows"):
        features.target(pd.DataFrame({"late": [None, 1]}), MODEL)


@pytest.mark.parametrize(
    "given", [[True, None, False], [1.0, None, 0.0], pd.array([1, None, 0], dtype="Int64")], ids=str
)
def test_rows_without_a_target_have_no_label(given: Any) -> None:
    rows = pd.DataFrame({"late": given})
    assert features.labelled(rows, MODEL)["late"].tolist() == [1, 0]
    assert features.labels(rows, MODEL).fillna(9).tolist() == [1, 9, 0]
