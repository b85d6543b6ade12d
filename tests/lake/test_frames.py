"""Frames hold what Arrow holds; tests/ingestion/test_values.py sends generated values all the way."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from include.exceptions import BadData
from include.lake.frames import concat, kinds, to_frame

LONG = 2**53 + 1
"""The first whole number that a float does not hold."""


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([LONG, None], pa.int64(), "Int64"),
        ([LONG, 1], pa.int64(), "int64"),
        ([2**64 - 1, None], pa.uint64(), "UInt64"),
        ([-128, None], pa.int8(), "Int8"),
        ([None, None], pa.int32(), "Int32"),
        ([True, None], pa.bool_(), "boolean"),
        ([True, False], pa.bool_(), "bool"),
        ([0.5, None], pa.float64(), "float64"),
        (["x", None], pa.string(), "object"),
        ([Decimal("1.50"), None], pa.decimal128(5, 2), "object"),
        ([date(9999, 12, 31), None], pa.date32(), "object"),
        ([[LONG, None], None, []], pa.list_(pa.int64()), "object"),
        ([{"a": [LONG, None]}, None], pa.struct({"a": pa.list_(pa.int64())}), "object"),
        ([[("k", LONG), ("l", None)], None], pa.map_(pa.string(), pa.int64()), "object"),
    ],
    ids=str,
)
def test_a_null_changes_no_other_value(values: list[Any], kind: pa.DataType, dtype: str) -> None:
    found = to_frame(
        pa.table({"x": range(len(values)), "a": pa.array(values, kind), "z": ["z"] * len(values)})
    )
    assert (list(found.columns), str(found.dtypes["a"])) == (["x", "a", "z"], dtype)
    assert [None if value is pd.NA or value != value else value for value in found["a"]] == values


def test_only_columns_with_a_null_change_their_type() -> None:
    rows = pa.table({"a": [1, 2], "b": [True, False], "c": [0.5, None], "d": ["x", None], "e": [[1], [2]]})
    pd.testing.assert_frame_equal(to_frame(rows), rows.to_pandas())


def test_a_table_of_changed_columns_only_keeps_its_rows() -> None:
    assert to_frame(pa.table({"a": pa.array([1, None, 3])}))["a"].sum() == 4


def test_what_pandas_has_noted_in_a_file_does_not_hide_a_column() -> None:
    noted = pa.Table.from_pandas(pd.DataFrame({"a": [1], "b": [2]}).set_index("a"))
    assert list(to_frame(noted).columns) == ["b", "a"]


def test_times_before_the_zones_of_pandas_are_in_utc() -> None:
    """pandas 2.3.3 raises a KeyError for these in this zone, and in others the process ends."""
    moment, zone = datetime(1600, 1, 1, tzinfo=UTC), "Asia/Kolkata"
    [found] = to_frame(pa.table({"a": pa.array([moment], pa.timestamp("us", zone))}))["a"]
    assert (found.to_pydatetime(), str(found.tz)) == (moment, "UTC")
    [later] = to_frame(pa.table({"a": pa.array([datetime.now(UTC)], pa.timestamp("us", zone))}))["a"]
    assert str(later.tz) == zone


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([5_000_000], pa.date32()), "date32[day]"),
        (pa.array([1], pa.time64("ns")), "time64[ns]"),
        (pa.array([1], pa.timestamp("us", "Mars/Base")), "timestamp[us, tz=Mars/Base]"),
    ],
    ids=["year 15659", "nanoseconds", "zone"],
)
def test_what_no_frame_can_hold_is_named_without_its_value(column: pa.Array, kind: str) -> None:
    with pytest.raises(BadData) as raised:
        to_frame(pa.table({"x": [1], "a": column}))
    assert str(raised.value).startswith(f"column 'a' ({kind!r}) holds values that pandas cannot hold, such")
    assert "15659" not in str(raised.value)


def series(*values: Any, dtype: str) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, dtype=dtype)})


@pytest.mark.parametrize(
    ("frames", "values", "dtype"),
    [
        ([series(LONG, dtype="int64"), series(2**64 - 1, dtype="uint64")], [LONG, 2**64 - 1], "object"),
        ([series(LONG, None, dtype="Int64"), series(0.5, dtype="float64")], [LONG, None, 0.5], "object"),
        ([series(LONG, None, dtype="Int64"), series(1, dtype="int64")], [LONG, pd.NA, 1], "Int64"),
        ([series(LONG, dtype="int64"), series(1, dtype="int8")], [LONG, 1], "int64"),
        ([series(LONG, dtype="int64"), pd.DataFrame({"b": [1]})], [LONG, pd.NA], "Int64"),
        ([series(True, dtype="bool"), pd.DataFrame({"b": [1]})], [True, pd.NA], "boolean"),
        ([series("x", dtype="object"), series(1, dtype="int64")], ["x", 1], "object"),
    ],
    ids=["signs", "floats", "nulls", "widths", "lacking", "lacking truth", "text"],
)
def test_frames_below_each_other_keep_their_values(
    frames: list[pd.DataFrame], values: list[Any], dtype: str
) -> None:
    found = concat(frames)["a"]
    assert (found.tolist(), str(found.dtype)) == (values, dtype)  # 1 == 1.0, so the type of each, too
    assert [isinstance(value, float) for value in found] == [isinstance(value, float) for value in values]


def test_a_null_does_not_make_another_kind() -> None:
    with_null, without = to_frame(pa.table({"a": pa.array([1, None])})), to_frame(pa.table({"a": [1, 2]}))
    assert kinds(with_null) == kinds(without) == {"a": "i"}
