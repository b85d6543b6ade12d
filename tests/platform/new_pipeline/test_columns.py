"""The type of a column, as a load will read it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest

from include.ingestion.text_values import TextForm, null_words
from include.platform.new_pipeline.columns import Column, Type, column_of_text, column_of_values

FORM = TextForm(null_words=null_words())


def of_text(*cells: str, name: str = "a", form: TextForm = FORM) -> Column:
    return column_of_text(name, pa.chunked_array([list(cells)]), form)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", ""], Type.INTEGER, [1, -2, None]),
        (["1", "NA", "-"], Type.INTEGER, [1, None, None]),
        (["1.5", "2", "1e3"], Type.FLOAT, [1.5, 2.0, 1000.0]),
        (["01234", "5"], Type.STRING, ["01234", "5"]),
        (["0", "5"], Type.INTEGER, [0, 5]),
        (["1234567890123456"], Type.STRING, ["1234567890123456"]),
        (["yes", "no", ""], Type.BOOLEAN, [True, False, None]),
        (["yes", "maybe", "no"], Type.STRING, ["yes", "maybe", "no"]),
        (["2024-01-31", ""], Type.DATE, [date(2024, 1, 31), None]),
        (["2024-01-31T08:15", ""], Type.TIMESTAMP, [datetime(2024, 1, 31, 8, 15), None]),
        (["31.01.2024", "01.02.2024"], Type.DATE, [date(2024, 1, 31), date(2024, 2, 1)]),
        (["1/31/2024 3:04 PM"], Type.TIMESTAMP, [datetime(2024, 1, 31, 15, 4)]),
        (["31.04.2024", "01.05.2024"], Type.STRING, ["31.04.2024", "01.05.2024"]),
        (["2024-01-31", "31.01.2024"], Type.STRING, ["2024-01-31", "31.01.2024"]),
        (["", ""], Type.STRING, [None, None]),
        ([" 5", "6 "], Type.INTEGER, [5, 6]),
        ([" 1.5", "2"], Type.FLOAT, [1.5, 2.0]),
        ([" x", "6"], Type.STRING, [" x", "6"]),
    ],
)
def test_a_type_is_what_every_cell_can_be_read_as(cells: list[str], kind: Type, values: list[Any]) -> None:
    column = of_text(*cells)

    assert column.type is kind
    found = column.values.to_pylist()
    assert found == values


def test_a_time_with_an_offset_is_one_of_utc() -> None:
    column = of_text("2024-01-31T08:15:00+02:00")

    assert column.type is Type.TIMESTAMPTZ
    assert column.values[0].as_py().isoformat() == "2024-01-31T06:15:00+00:00"


def test_where_two_formats_fit_both_are_kept() -> None:
    assert of_text("01/02/2024", "03/04/2024").formats == ("%d/%m/%Y", "%m/%d/%Y")
    assert of_text("01/02/2024", "03/24/2024").formats == ("%m/%d/%Y",)


@pytest.mark.parametrize(
    ("name", "value", "formats"),
    [
        ("created_at", 1704067200, ("epoch_s",)),
        ("timestamp", 1704067200000, ("epoch_ms",)),
        ("price", 1704067200, ()),
        ("time", 3600, ()),
    ],
)
def test_large_numbers_are_times_where_the_name_says_so(
    name: str, value: int, formats: tuple[str, ...]
) -> None:
    for column in (of_text(str(value), name=name), column_of_values(name, pa.chunked_array([[value]]))):
        assert column.formats == formats
        assert column.type is (Type.TIMESTAMPTZ if formats else Type.INTEGER)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1, None], pa.int8()), Type.INTEGER),
        (pa.array([2**63], pa.uint64()), Type.OTHER),
        (pa.array([1.5], pa.float32()), Type.FLOAT),
        (pa.array(["2024-01-31 08:15:00", None]), Type.TIMESTAMP),
        (pa.array(["x", None]), Type.STRING),
        (pa.array([[1], None]), Type.OTHER),
        (pa.array([None, None]), Type.STRING),
        (pa.array([1], pa.timestamp("ns")), Type.OTHER),
        (pa.array([1], pa.timestamp("ms", "Europe/Berlin")), Type.TIMESTAMPTZ),
    ],
)
def test_columns_of_parquet_have_a_type_that_changes_no_value(values: pa.Array, kind: Type) -> None:
    assert column_of_values("a", pa.chunked_array([values])).type is kind
