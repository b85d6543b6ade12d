"""What a contract needs of the rows is checked, whether its suite says so or not."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.validation.implied import implied
from tests.support.pipeline import write_pipeline

ROWS = {
    "time": [datetime(2024, 3, 1)] * 3,
    "amount": [1, 2.5, None],
    "kind": ["a", None, "b"],
    "returned": [0, 1, None],
}
AMOUNT = "amount: expect_column_values_to_be_numbers (model.features.numerical)"
RETURNED = "returned: expect_column_values_to_be_0_or_1 (model.target)"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    columns = {"region": "string"}
    gate = {"slices": {"column": "region"}}
    return loader.load(write_pipeline(tmp_path_factory.mktemp("implied"), columns=columns, gate=gate))


def faults(pipeline: Pipeline, **columns: Any) -> list[str]:
    rows = {**ROWS, "region": ["x", "y", "z"], **columns}
    frame = pd.DataFrame({name: values for name, values in rows.items() if values is not None})
    return [check.sentence() for check in implied(frame, pipeline.feed()) if not check.passed]


def test_every_column_that_a_contract_names_is_checked(pipeline: Pipeline) -> None:
    assert pipeline.feed().required == {
        "amount": "model.features.numerical",
        "kind": "model.features.categorical",
        "returned": "model.target",
        "time": "model.time",
        "region": "gate.slices.column",
    }
    assert len(implied(pd.DataFrame(ROWS), pipeline.feed())) == 7
    assert faults(pipeline) == []


@pytest.mark.parametrize(
    ("column", "key"), [("kind", "model.features.categorical"), ("region", "gate.slices.column")]
)
def test_a_column_that_is_missing_is_named_with_its_key(pipeline: Pipeline, column: str, key: str) -> None:
    assert faults(pipeline, **{column: None}) == [
        f"{column}: expect_column_to_exist ({key}) failed (severity critical)"
    ]


GOOD: list[list[Any]] = [
    [Decimal("1.5"), None, Decimal(2)],
    [True, False, None],
    ["1", "2.5", None],
    pd.array([1, None, 2], "Int64"),
    pd.array([True, None, False], "boolean"),
]
BAD: list[tuple[list[Any], int]] = [
    (["1", "x", None], 1),
    ([float("inf"), 1.0, float("nan")], 1),
    ([datetime(2024, 3, 1)] * 3, 3),
    ([pd.Timedelta("1d"), None, None], 1),
    ([[1], {"a": 1}, None], 2),
    ([b"1", 1, None], 1),
    (["", " ", None], 2),
    ([1 + 2j, 1, 2], 1),
]


@pytest.mark.parametrize("values", GOOD, ids=str)
def test_numbers_of_any_type_may_be_a_numerical_feature(pipeline: Pipeline, values: Any) -> None:
    assert faults(pipeline, amount=values) == []


@pytest.mark.parametrize(("values", "count"), BAD, ids=[str(values) for values, _ in BAD])
def test_other_values_of_a_numerical_feature_are_counted(
    pipeline: Pipeline, values: list[Any], count: int
) -> None:
    assert faults(pipeline, amount=pd.Series(values, dtype="object")) == [
        f"{AMOUNT} failed for {count} of 3 rows (severity critical)"
    ]


@pytest.mark.parametrize(
    ("values", "count"),
    [([0, 1, 2], 1), (["yes", "no", None], 2), ([0.5, -1, 1], 2), ([True, False, None], 0)],
)
def test_a_target_is_0_or_1_or_not_known(pipeline: Pipeline, values: list[Any], count: int) -> None:
    found = [f"{RETURNED} failed for {count} of 3 rows (severity critical)"] if count else []
    assert faults(pipeline, returned=values) == found
