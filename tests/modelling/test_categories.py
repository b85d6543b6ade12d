"""One text for each value of a category."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from include.modelling.categories import text, text_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1.0, Decimal(1), Decimal("1.00")], "1"),
        ([0, 0.0, -0.0, Decimal("-0.00")], "0"),
        ([1.5, Decimal("1.5"), Decimal("1.50")], "1.5"),
        ([Decimal("1E+2"), 100, 100.0], "100"),
        ([2**64 - 1, Decimal(2**64 - 1)], "18446744073709551615"),
        ([2.0**60], "1.152921504606847e+18"),
        ([float("inf")], "inf"),
        ([Decimal("123456789012345678901234567890.5")], "123456789012345678901234567890.5"),
        ([True, pd.array([True], dtype="boolean")[0]], "true"),
        ([False], "false"),
        (["1.0"], "1.0"),
        (["nan"], "nan"),
        ([""], ""),
        ([date(2024, 3, 1)], "2024-03-01"),
        ([datetime(2024, 3, 1), pd.Timestamp("2024-03-01").as_unit("s")], "2024-03-01T00:00:00"),
        ([pd.Timestamp("2024-03-01 00:00:00.000000001")], "2024-03-01T00:00:00.000000001"),
        (
            [
                pd.Timestamp("2024-03-01 05:00", tz="Asia/Tokyo"),
                pd.Timestamp("2024-02-29 20:00", tz="UTC"),
                pd.Timestamp("2024-02-29 15:00", tz="America/New_York"),
            ],
            "2024-02-29T20:00:00+00:00",
        ),
        ([time(5)], "05:00:00"),
        ([pd.Timedelta(1, "h"), timedelta(hours=1)], "P0DT1H0M0S"),
        ([b"\xabc"], "ab63"),
    ],
    ids=str,
)
def test_the_same_value_is_the_same_text(values: list[Any], expected: str) -> None:
    assert [text(value) for value in values] == [expected] * len(values)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2, 1]),
        pd.Series([1, None, 1], dtype="Int64"),
        pd.Series([1.0, None, 1.0]),
        pd.Series([1, 1.5, 1], dtype="object"),
        pd.Series([1, None, 1], dtype="category"),
        pd.Series([True, 1, 1.0], dtype="object").iloc[[1, 0, 2]],
    ],
    ids=["whole", "null", "float", "mixed", "category", "truth among numbers"],
)
def test_neighbours_change_no_text(column: pd.Series) -> None:
    found = text_of(column)
    assert (found.iloc[0], found.iloc[2]) == ("1", "1")
    assert (list(found.index), found.dtype, found.name) == (list(column.index), "object", column.name)


def test_what_is_missing_is_none() -> None:
    for dtype in ("Int64", "float64", "boolean", "object", "datetime64[us]"):
        assert text_of(pd.Series([None], dtype=dtype)).tolist() == [None]
