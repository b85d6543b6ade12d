"""Each value of the lake is the same value in Delta Lake, or its column is refused by name and type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import Schema

from include.exceptions import BadData
from include.exports.delta_types import as_delta, check_names, delta_schema, delta_type, joined, without_null

MOMENT = datetime(2024, 3, 1, 5, 30, 0, 1)
HELD: list[tuple[pa.DataType, list[Any], str]] = [
    (pa.int8(), [-128, None], "byte"),
    (pa.uint8(), [255], "short"),
    (pa.uint16(), [2**16 - 1], "integer"),
    (pa.uint32(), [2**32 - 1], "long"),
    (pa.uint64(), [2**64 - 1, None], "decimal(20,0)"),
    (pa.int64(), [2**63 - 1], "long"),
    (pa.float16(), [1.5, None, float("inf")], "float"),
    (pa.float64(), [0.1, float("-inf")], "double"),
    (pa.decimal128(38, 2), [Decimal("1.25")], "decimal(38,2)"),
    (pa.decimal256(20, 2), [Decimal("1.25")], "decimal(20,2)"),
    (pa.bool_(), [True, None], "boolean"),
    (pa.large_string(), ["a", None], "string"),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"], "string"),
    (pa.binary(2), [b"ab", None], "binary"),
    (pa.date32(), [date(2024, 3, 1)], "date"),
    (pa.date64(), [date(2024, 3, 1)], "date"),
    (pa.timestamp("us"), [MOMENT], "timestamp_ntz"),
    (pa.timestamp("ns"), [MOMENT, None], "timestamp_ntz"),
    (pa.timestamp("s"), [datetime(2024, 3, 1)], "timestamp_ntz"),
    (pa.timestamp("us", "UTC"), [MOMENT.replace(tzinfo=UTC)], "timestamp"),
    (pa.timestamp("ns", "Europe/Berlin"), [MOMENT.replace(tzinfo=UTC)], "timestamp"),
]


@pytest.mark.parametrize(("kind", "values", "name"), HELD, ids=[str(case[0]) for case in HELD])
def test_values_are_the_same_in_the_type_that_delta_lake_has(
    kind: pa.DataType, values: list[Any], name: str
) -> None:
    wanted = delta_type(kind)
    assert Schema.from_arrow(pa.schema({"column": wanted})).fields[0].type.type == name
    batch = pa.record_batch({"column": pa.array(values, kind)})
    found = as_delta(batch, {"column": wanted}, "part")
    assert found.schema.field("column").type == wanted
    assert found.column("column").to_pylist() == values


@pytest.mark.parametrize(
    "kind",
    [
        pa.time32("s"),
        pa.time64("us"),
        pa.duration("us"),
        pa.decimal256(40, 2),
        pa.struct([]),
        pa.struct({"a": pa.int8(), "A": pa.int8()}),
        pa.list_(pa.time64("us")),
        pa.map_(pa.string(), pa.duration("s")),
        pa.month_day_nano_interval(),
        pa.dense_union([pa.field("a", pa.int8())]),
    ],
    ids=str,
)
def test_what_delta_lake_cannot_hold_is_refused_by_column_and_type(kind: pa.DataType) -> None:
    assert delta_type(kind) is None
    with pytest.raises(BadData) as error:
        delta_schema([pa.field("odd", kind)], time="time")
    message = str(error.value)
    assert message.startswith("column 'odd' is '")
    assert "which a Delta Lake table cannot hold; declare columns.<name> as 'string'" in message


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1000, 1], pa.timestamp("ns")), pa.timestamp("us")),
        (pa.array([0, 2**62], pa.timestamp("s")), pa.timestamp("us")),
        (pa.array([0, 2**53 + 1]), pa.float64()),
    ],
)
def test_a_value_that_would_become_another_is_refused_with_the_count(
    values: pa.Array, kind: pa.DataType
) -> None:
    with pytest.raises(BadData, match=r"^part: column 'seen' is .*: 1 value\(s\) would change; declare"):
        as_delta(pa.record_batch({"seen": values}), {"seen": kind}, "part")


def test_columns_come_in_the_order_of_the_table_and_missing_ones_are_null() -> None:
    batch = pa.record_batch({"b": pa.array([1]), "other": pa.array([2])})
    found = as_delta(batch, {"a": pa.string(), "b": pa.int64()}, "part")
    assert found.to_pylist() == [{"a": None, "b": 1}]


def test_a_column_without_any_value_is_left_out_and_one_within_a_list_is_text() -> None:
    fields = pa.schema({"empty": pa.null(), "tags": pa.list_(pa.null()), "at": pa.struct({"x": pa.null()})})
    found = delta_schema(fields, time="time")
    assert list(found) == ["tags", "at"]
    assert without_null(found["tags"]) == pa.list_(pa.field("element", pa.string()))
    assert without_null(found["at"]) == pa.struct({"x": pa.string()})


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.list_(pa.null()), pa.list_(pa.int64()), pa.list_(pa.int64())),
        (pa.struct({"x": pa.int64()}), pa.struct({"y": pa.string()}), {"x": pa.int64(), "y": pa.string()}),
        (pa.struct({"x": pa.int64()}), pa.struct({"x": pa.string()}), None),
        (pa.map_(pa.string(), pa.null()), pa.map_(pa.string(), pa.int8()), pa.map_(pa.string(), pa.int8())),
        (pa.map_(pa.string(), pa.int8()), pa.map_(pa.int8(), pa.int8()), None),
        (pa.list_(pa.int8()), pa.string(), None),
    ],
)
def test_types_of_lists_and_structures_are_joined(one: Any, other: Any, both: Any) -> None:
    wanted = pa.struct(both) if isinstance(both, dict) else both
    assert joined(delta_type(one), delta_type(other)) == (wanted and delta_type(wanted))


def test_a_date_dt_is_the_day_of_the_partition_and_nothing_else_is_called_so() -> None:
    day = pa.field("dt", pa.date32())
    assert delta_schema([day, pa.field("id", pa.int64())], time="dt") == {"id": pa.int64()}
    for field, time in (
        (day, "time"),
        (pa.field("dt", pa.string()), "dt"),
        (pa.field("DT", pa.int8()), "dt"),
    ):
        with pytest.raises(BadData, match="is taken by the export, which is partitioned by a date 'dt'"):
            delta_schema([field], time=time)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Amount (EUR)"], "column 'Amount .EUR.' holds ' ', which Delta Lake allows in no name"),
        (["id", "Id"], "column 'Id' differs from 'id' by capitals only"),
    ],
)
def test_names_that_not_every_reader_takes_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(BadData, match=message):
        check_names(names)
