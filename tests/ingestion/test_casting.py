"""Casts that keep every value, or say which they would not keep."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ingestion.casting import cast
from include.ingestion.text_values import TextForm
from include.lake.exact import common_type

ODD = object()
NOON = datetime(2024, 3, 1, 12)
DECLARED = TextForm(keeps_zeros=False)

CASES: list[tuple[pa.Array, pa.DataType, TextForm | None, list[Any]]] = [
    (pa.array([1.0, None, 2.5, math.inf, math.nan]), pa.int64(), None, [1, None, ODD, ODD, None]),
    (pa.array([1, 2**53 + 1, None]), pa.float64(), None, [1.0, ODD, None]),
    (pa.array([1, 300, -1]), pa.uint8(), None, [1, ODD, ODD]),
    (pa.array([2**63], pa.uint64()), pa.int64(), None, [ODD]),
    (pa.array([0.5, 0.1, math.nan]), pa.float32(), None, [0.5, ODD, math.nan]),
    (pa.array([Decimal("1.50"), Decimal("1.55")]), pa.decimal128(10, 1), None, [Decimal("1.5"), ODD]),
    (pa.array([Decimal("2.00"), Decimal("1.50")]), pa.int64(), None, [2, ODD]),
    (pa.array([Decimal("0.10")]), pa.float64(), None, [0.1]),
    (
        pa.array([Decimal("0.1"), Decimal("3.333333333333333333")], pa.decimal128(38, 18)),
        pa.float64(),
        None,
        [0.1, 10 / 3],
    ),
    (pa.array([Decimal(2**53 + 1), Decimal(2**53)]), pa.float64(), None, [ODD, 2.0**53]),
    (pa.array([0.25, 0.125]), pa.decimal128(5, 2), None, [Decimal("0.25"), ODD]),
    (pa.array([NOON, datetime(2024, 3, 1)]), pa.date32(), None, [ODD, date(2024, 3, 1)]),
    (pa.array([date(2024, 3, 1)]), pa.timestamp("us"), None, [datetime(2024, 3, 1)]),
    (pa.array([1, 1001], pa.timestamp("ns")), pa.timestamp("us"), None, [ODD, ODD]),
    (pa.array([NOON]), pa.timestamp("us", "UTC"), None, [ODD]),
    (pa.array(["1"]), pa.int64(), None, [ODD]),
    (pa.array(["1", "x"]), pa.int64(), DECLARED, [1, ODD]),
    (pa.array([1]), pa.string(), None, [ODD]),
    (pa.array([1, None]), pa.string(), DECLARED, ["1", None]),
    (pa.array([1.5]), pa.string(), DECLARED, [ODD]),
    (pa.array([0, 1, 2]), pa.bool_(), DECLARED, [False, True, ODD]),
    (pa.array([0, 1]), pa.bool_(), None, [ODD, ODD]),
    (pa.array([True]), pa.int64(), DECLARED, [1]),
    (pa.array([0.0]), pa.bool_(), DECLARED, [ODD]),
    (pa.array([None, None]), pa.string(), None, [None, None]),
    (pa.array([[1], [300]]), pa.list_(pa.int64()), None, [[1], [300]]),
    (pa.array([[1], [300]]), pa.list_(pa.int8()), None, [ODD, ODD]),
    (pa.array([{"a": 1}]), pa.struct([("b", pa.int64())]), None, [ODD]),
    (pa.array([{"a": 1}]), pa.struct([("a", pa.int64()), ("b", pa.string())]), None, [{"a": 1, "b": None}]),
    (pa.array([[], None]), pa.list_(pa.struct([("a", pa.int64())])), None, [[], None]),
    (pa.array(["", "-", "x"]), pa.string(), TextForm(null_values=("-",)), [None, None, "x"]),
    (
        pa.array([86_400, None]),
        pa.timestamp("us", "UTC"),
        TextForm(time_formats=("epoch_s",)),
        [pa.scalar(86_400_000_000, pa.timestamp("us", "UTC")).as_py(), None],
    ),
]


@pytest.mark.parametrize(
    ("values", "kind", "form", "expected"),
    CASES,
    ids=[f"{n} {c[0].type} to {c[1]}" for n, c in enumerate(CASES)],
)
def test_a_value_is_the_same_afterwards_or_odd(
    values: pa.Array, kind: pa.DataType, form: TextForm | None, expected: list[Any]
) -> None:
    found = cast(values, kind, form=form)
    odd = [False] * len(values) if found.odd is None else found.odd.to_pylist()
    assert odd == [value is ODD for value in expected]
    assert found.values.type == kind
    assert repr(found.values.to_pylist()) == repr([None if value is ODD else value for value in expected])


WHOLE = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
NUMBERS = [*WHOLE, pa.float32(), pa.float64(), pa.decimal128(20, 0), pa.decimal128(38, 6)]


@given(st.lists(st.none() | st.integers(-(2**70), 2**70)), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
def test_no_number_ever_becomes_another(numbers: list[int | None], first: Any, second: Any) -> None:
    fitting = [n for n in numbers if n is None or abs(n) <= 2**70]
    given = cast(
        pa.array([None if n is None else Decimal(n) for n in fitting], pa.decimal128(38, 0)), first, form=None
    )
    found = cast(given.values, second, form=None)
    for before, after in zip(given.values.to_pylist(), found.values.to_pylist(), strict=True):
        assert after is None or after == before


@given(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
def test_the_common_type_of_numbers_does_not_depend_on_their_order(one: Any, other: Any) -> None:
    assert common_type(one, other) == common_type(other, one)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.null(), pa.string()),
        (pa.date32(), pa.timestamp("us"), pa.timestamp("us")),
        (pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("us")),
        (pa.timestamp("us"), pa.timestamp("us", "UTC"), None),
        (pa.string(), pa.int64(), None),
        (pa.list_(pa.int8()), pa.list_(pa.int64()), pa.list_(pa.int64())),
        (pa.list_(pa.int64()), pa.list_(pa.string()), None),
        (pa.list_(pa.int64()), pa.struct([("a", pa.int64())]), None),
    ],
)
def test_types_have_a_common_one_where_values_of_both_fit(one: Any, other: Any, both: Any) -> None:
    assert common_type(one, other) == both
