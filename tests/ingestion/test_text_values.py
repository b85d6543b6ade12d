"""Values that are written as text: which are read, as what, and which are none."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.contract.dialect import Csv
from include.ingestion.text_values import TextForm, has_leading_zeros, loses_digits

ODD = object()
"""Stands for a text that is not a value of its column."""
SEVEN_DIGITS = datetime(2024, 3, 1, 5, 0, 0, 123_456)
NAIVE, INSTANT = pa.timestamp("us"), pa.timestamp("us", "UTC")
GERMAN = TextForm(decimal=",", thousands=".")
DAYS = TextForm(time_formats=("%d.%m.%Y",))

CASES: list[tuple[str, TextForm, pa.DataType, dict[str, Any]]] = [
    (
        "whole numbers",
        TextForm.of(Csv()),
        pa.int64(),
        {
            "1": 1,
            "-7": -7,
            "+5": 5,
            "12.0": 12,
            "12.": 12,
            "12.5": ODD,
            "1e3": ODD,
            " 1 ": 1,
            " ": None,
            "1 2": ODD,
            "x": ODD,
        }
        | {"": None, "NA": None, "null": None, "007": ODD, "-01": ODD, "0": 0, "9" * 20: ODD}
        | {"9223372036854775807": 2**63 - 1},
    ),
    ("declared numbers", TextForm(keeps_zeros=False), pa.int64(), {"007": 7, "NA": ODD, "": None}),
    ("narrow numbers", TextForm(), pa.int8(), {"127": 127, "128": ODD}),
    (
        "decimal commas",
        GERMAN,
        pa.float64(),
        {
            "1,5": 1.5,
            "1.234,5": 1234.5,
            "-1.000.000": -1e6,
            "1.23": ODD,
            "1.5": ODD,
            "12.34,5": ODD,
            "5e3": 5e3,
        }
        | {",5": 0.5},
    ),
    ("counts with commas", GERMAN, pa.int64(), {"1.234": 1234, "1.234,00": 1234, "1,5": ODD, "1.23": ODD}),
    (
        "decimals",
        TextForm(),
        pa.decimal128(6, 2),
        {"1.5": Decimal("1.50"), "1.555": ODD, "99999": ODD, "1234.56": Decimal("1234.56"), "x": ODD},
    ),
    (
        "truth values",
        TextForm(true_values=("ja",), false_values=("nein",)),
        pa.bool_(),
        {
            "ja": True,
            "nein": False,
            "true": True,
            "False": False,
            "1": True,
            "0": False,
            "yes": ODD,
            "": None,
        },
    ),
    (
        "times",
        TextForm(),
        NAIVE,
        {"2024-03-01": datetime(2024, 3, 1), "2024-03-01T05:00:00.25": datetime(2024, 3, 1, 5, 0, 0, 250_000)}
        | {
            "2024-02-30": ODD,
            "2024-03-01T05:00:00Z": ODD,
            "2024-03-01 25:00": ODD,
            "2024-03-01T05": datetime(2024, 3, 1, 5),
            "2024-3-1": ODD,
        }
        | {"2024-03-01 05:00:00.0000001": ODD, "2024-03-01 05:00:00.1234560": SEVEN_DIGITS},
    ),
    (
        "nanoseconds",
        TextForm(),
        pa.timestamp("ns"),
        {"2024-03-01 05:00:00.123456700": pd.Timestamp("2024-03-01 05:00:00.1234567"), "9999-01-01": ODD},
    ),
    (
        "nanoseconds beside a format",
        TextForm(time_formats=("%d.%m.%Y",)),
        pa.timestamp("ns"),
        {"01.03.2024": pd.Timestamp("2024-03-01"), "01.03.9999": ODD},
    ),
    (
        "times of day",
        TextForm(),
        pa.time32("ms"),
        {"05:30": time(5, 30), "05:30:01": time(5, 30, 1), "05:30:01.25": time(5, 30, 1, 250_000), "": None}
        | {
            "24:00": ODD,
            "5:30": ODD,
            "05:30:00.0001": ODD,
            "2024-03-01": ODD,
            "x": ODD,
            " 05:30 ": time(5, 30),
        },
    ),
    (
        "instants",
        TextForm(),
        INSTANT,
        {"2024-03-01T05:00:00Z": datetime(2024, 3, 1, 5, tzinfo=UTC), "2024-03-01 05:00:00": ODD}
        | {"2024-03-01 05:00:00+02:00": datetime(2024, 3, 1, 3, tzinfo=UTC)}
        | {"2024-03-01 05:00:00.1234560Z": SEVEN_DIGITS.replace(tzinfo=UTC)},
    ),
    (
        "days",
        DAYS,
        pa.date32(),
        {"01.03.2024": date(2024, 3, 1), "1.3.2024": date(2024, 3, 1), "2024-03-01": date(2024, 3, 1)}
        | {"31.04.2024": ODD, "30.02.2024": ODD, "29.02.2023": ODD, "29.02.2024": date(2024, 2, 29)}
        | {"01.03.2024 05:00": ODD},
    ),
    (
        "instants of a format",
        TextForm(time_formats=("%d.%m.%Y %H:%M %z",)),
        INSTANT,
        {"01.03.2024 01:00 +0200": datetime(2024, 2, 29, 23, tzinfo=UTC), "31.04.2024 00:30 +0200": ODD},
    ),
    (
        "seconds",
        TextForm(time_formats=("epoch_s",)),
        INSTANT,
        {"0": datetime(1970, 1, 1, tzinfo=UTC), "x": ODD},
    ),
    (
        "milliseconds",
        TextForm(time_formats=("epoch_ms",)),
        INSTANT,
        {
            "1709254800000": datetime(2024, 3, 1, 1, tzinfo=UTC),
            "1709254800000.0": datetime(2024, 3, 1, 1, tzinfo=UTC),
        },
    ),
    (
        "text",
        TextForm(null_values=("-",), null_words=("NA",)),
        pa.string(),
        {"": None, "-": None, "NA": "NA"},
    ),
    ("lists", TextForm(), pa.list_(pa.int64()), {"[1]": ODD, "": None}),
]


@pytest.mark.parametrize(("_", "form", "kind", "cells"), CASES, ids=[case[0] for case in CASES])
def test_each_text_is_its_value_or_none_whatever_its_neighbours_are(
    _: str, form: TextForm, kind: pa.DataType, cells: dict[str, Any]
) -> None:
    wanted = [(None if value is ODD else value, value is ODD) for value in cells.values()]
    together = form.parse(pa.array(cells), kind)
    odd = [False] * len(cells) if together.odd is None else together.odd.to_pylist()
    assert list(zip(together.values.to_pylist(), odd, strict=True)) == wanted
    for (text, value), expected in zip(cells.items(), wanted, strict=True):
        alone = form.parse(pa.array([text]), kind)
        is_odd = alone.odd is not None and alone.odd[0].as_py()
        assert (alone.values[0].as_py(), is_odd) == expected, (text, value)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_come_back_from_their_text(numbers: list[int | None]) -> None:
    found = TextForm().parse(
        pa.array([None if n is None else str(n) for n in numbers], pa.string()), pa.int64()
    )
    assert (found.values.to_pylist(), found.odd) == (numbers, None)


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.sampled_from(["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d"]))
def test_every_day_comes_back_from_its_text(day: date, time_format: str) -> None:
    found = TextForm(time_formats=(time_format,)).parse(pa.array([day.strftime(time_format)]), pa.date32())
    assert (found.values.to_pylist(), found.odd) == ([day], None)


@pytest.mark.parametrize(
    ("text", "zeros", "digits"),
    [
        ("01234", True, False),
        ("-01", True, False),
        ("00x", True, False),
        ("0", False, False),
        ("0.5", False, False),
        ("1" * 15, False, False),
        ("1" * 16, False, True),
        ("1" * 16 + ".5", False, False),
    ],
)
def test_what_a_number_would_lose(text: str, zeros: bool, digits: bool) -> None:
    cells = pa.array(["1", text, None])
    assert (has_leading_zeros(cells), loses_digits(cells)) == (zeros, digits)
