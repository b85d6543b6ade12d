"""Batches get the types that fit all of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from include.ingestion.unified import Misfit, unified
from include.lake.exact import common_type

INT, FLOAT, TEXT, NULL = pa.int64(), pa.float64(), pa.string(), pa.null()


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (INT, INT, INT),
        (INT, NULL, INT),
        (NULL, TEXT, TEXT),
        (INT, FLOAT, FLOAT),
        (FLOAT, INT, FLOAT),
        (INT, TEXT, None),
        (INT, pa.bool_(), None),
        (pa.list_(INT), pa.list_(FLOAT), pa.list_(FLOAT)),
        (pa.list_(NULL), pa.list_(TEXT), pa.list_(TEXT)),
        (pa.list_(INT), INT, None),
        (pa.list_(INT), pa.list_(TEXT), None),
        (
            pa.struct({"a": INT, "b": NULL}),
            pa.struct({"c": TEXT, "a": FLOAT}),
            pa.struct({"a": FLOAT, "b": NULL, "c": TEXT}),
        ),
        (pa.struct({"a": INT}), pa.struct({"a": TEXT}), None),
    ],
    ids=str,
)
def test_the_type_of_both_is_the_narrowest_that_holds_each_value(
    one: pa.DataType, other: pa.DataType, common: pa.DataType | None
) -> None:
    assert common_type(one, other) == common


def batch(**columns: list[object]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})


MIXED = [
    ("a", batch(n=[1, None], s=[{"x": 1}, None])),
    ("a", batch(n=[None], t=["x"])),
    ("b", batch(n=[2.5], s=[{"y": "z"}])),
]


def test_each_batch_has_its_origin_and_its_rows_in_the_types_of_all() -> None:
    found = list(unified(MIXED, fills=True))
    assert [origin for origin, _ in found] == ["a", "a", "b"]
    schema = pa.schema({"n": FLOAT, "s": pa.struct({"x": INT, "y": TEXT}), "t": TEXT})
    assert {str(one.schema) for _, one in found} == {str(schema)}
    assert pa.Table.from_batches([one for _, one in found]).to_pylist() == [
        {"n": 1.0, "s": {"x": 1, "y": None}, "t": None},
        {"n": None, "s": None, "t": None},
        {"n": None, "s": None, "t": "x"},
        {"n": 2.5, "s": {"x": None, "y": "z"}, "t": None},
    ]


def test_a_column_that_a_batch_lacks_stays_away_unless_it_is_filled() -> None:
    assert [one.schema.names for _, one in unified(MIXED, fills=False)] == [
        ["n", "s"],
        ["n", "t"],
        ["n", "s"],
    ]


@pytest.mark.parametrize(
    "values", [["x"], [True], [[1]], [{"x": 1}]], ids=["text", "truth", "array", "object"]
)
def test_values_without_a_common_type_name_their_column(values: list[object]) -> None:
    with pytest.raises(Misfit) as raised:
        list(unified([("a", batch(n=[1])), ("a", batch(n=values))], fills=True))
    assert raised.value.column == "n"


def test_whole_numbers_that_no_decimal_number_is_equal_to_are_not_rounded() -> None:
    with pytest.raises(Misfit):
        list(unified([("a", batch(n=[2**53 + 1])), ("a", batch(n=[0.5]))], fills=True))
    [first, _] = unified([("a", batch(n=[2**53])), ("a", batch(n=[0.5]))], fills=True)
    assert first[1].to_pylist() == [{"n": 2.0**53}]
