"""The columns of a sample: which type each has, and why where that is not obvious."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from include.platform.new_pipeline.sniff import COMMA_NUMBER, POINT_NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CATEGORIES = 50
"""Different texts up to which a column is one of categories."""
_MAX_DIGITS = 15
"""Digits that a float64 holds exactly; identifiers that are longer are text."""
_BUILT_IN_NULLS = {"NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "#N/A", "#NA", "-NaN", "-nan"}
"""Words that Arrow takes for a missing number."""
NULL_WORDS = _BUILT_IN_NULLS | {"-", "--", "?", ".", "None", "none", "Null", "NONE", "n.a.", "N.A.", "k.A."}
_TRUTH = {
    ("true", "false"): ("true", "false"),
    ("yes", "no"): ("yes", "no"),
    ("y", "n"): ("y", "n"),
    ("ja", "nein"): ("ja", "nein"),
    ("oui", "non"): ("oui", "non"),
    ("t", "f"): ("t", "f"),
}
_DATE_PARTS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d.%m.%y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d-%b-%Y",
)
_TIME_PARTS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
TIME_FORMATS = tuple(f"{day}{time}" for day in _DATE_PARTS for time in _TIME_PARTS)
_INTEGER = re.compile(r"[+-]?\d+")


class Type(StrEnum):
    """What a column holds, in the words of the contract."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    STRING = "string"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    OTHER = "other"
    """Lists, structures, bytes: of no use to a model."""

    @property
    def is_time(self) -> bool:
        """Whether a value has a day."""
        return self in (Type.DATE, Type.TIMESTAMP, Type.TIMESTAMPTZ)

    @property
    def is_number(self) -> bool:
        """Whether a model can take it as a number."""
        return self in (Type.BOOLEAN, Type.INTEGER, Type.FLOAT, Type.DECIMAL)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a sample: its `values` in its type, and why it has that type where `note` says so.

    `name` is that of the contract, `given` that of the file, empty where it has none. `formats` are those of its times where they are not ISO 8601, several if more than one
    fits. `null_words` stand for a missing value in it, `truth` are its words for true and false.
    """

    name: str
    type: Type
    values: pa.ChunkedArray = field(repr=False, compare=False)
    given: str = ""
    note: str = ""
    formats: tuple[str, ...] = ()
    null_words: tuple[str, ...] = ()
    truth: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def rows(self) -> int:
        """The rows of the sample."""
        return len(self.values)

    @property
    def nulls(self) -> int:
        """The rows without a value."""
        return int(self.values.null_count)

    @cached_property
    def distinct(self) -> int:
        """The number of different values."""
        import pyarrow.compute as pc

        if self.type is Type.OTHER:
            return self.rows - self.nulls
        return int(pc.count_distinct(self.values).as_py())

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The different texts in order, none where there are more than `MAX_CATEGORIES`."""
        import pyarrow.compute as pc

        if self.type is not Type.STRING or self.distinct > MAX_CATEGORIES:
            return ()
        return tuple(sorted(pc.unique(self.values.drop_null()).to_pylist()))

    @cached_property
    def bounds(self) -> tuple[float, float] | None:
        """The least and the greatest number; None without finite numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.type not in (Type.INTEGER, Type.FLOAT, Type.DECIMAL):
            return None
        numbers = self.values.cast(pa.float64())
        found = pc.min_max(pc.filter(numbers, pc.is_finite(numbers))).as_py()
        return None if found["min"] is None else (found["min"], found["max"])


def column_of_text(name: str, cells: pa.ChunkedArray, decimal: str) -> Column:
    """Return a column of a CSV file, whose type is what every cell can be read as."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    unique = [cell for cell in pc.unique(cells).to_pylist() if cell]
    words = tuple(sorted(set(unique) & NULL_WORDS))
    values = [cell for cell in unique if cell not in words]
    kind, options = _kind(values, decimal)
    is_text = kind is Type.STRING
    absent = ["", *(() if is_text else words)]
    known = pc.if_else(pc.is_in(cells, pa.array(absent)), pa.scalar(None, pa.string()), cells)
    typed = _typed(known, kind, decimal, options)
    return Column(name=name, type=kind, values=typed, null_words=() if is_text else words, **options)


def column_of_values(name: str, values: pa.ChunkedArray) -> Column:
    """Return a column of a Parquet file, which has a type."""
    import pyarrow as pa

    kind = values.type
    is_a = pa.types
    if is_a.is_null(kind):
        return Column(name=name, type=Type.STRING, values=values.cast(pa.string()), note="holds no value")
    for test, own in (
        (is_a.is_boolean, Type.BOOLEAN),
        (is_a.is_integer, Type.INTEGER),
        (is_a.is_floating, Type.FLOAT),
        (is_a.is_decimal, Type.DECIMAL),
        (is_a.is_date, Type.DATE),
    ):
        if test(kind):
            return Column(name=name, type=own, values=values)
    if is_a.is_timestamp(kind):
        own = Type.TIMESTAMPTZ if kind.tz else Type.TIMESTAMP
        return Column(name=name, type=own, values=values.cast(pa.timestamp("us", kind.tz), safe=False))
    if is_a.is_string(kind):
        return column_of_iso_text(name, values)
    return Column(name=name, type=Type.OTHER, values=values, note=f"is {kind}, which no model takes")


def column_of_iso_text(name: str, values: pa.ChunkedArray) -> Column:
    """Return a column of text in a Parquet file; it is one of times if every value is, in ISO 8601."""
    import pyarrow.compute as pc

    unique = [value for value in pc.unique(values).to_pylist() if value is not None]
    kind = _iso(unique) if unique else None
    if kind is None:
        return Column(name=name, type=Type.STRING, values=values)
    return Column(name=name, type=kind, values=_typed(values, kind, ".", {}), note="is text of times")


def _kind(values: list[str], decimal: str) -> tuple[Type, dict[str, Any]]:
    """Return the type that every value fits, and what else is to know of the column."""
    if not values:
        return Type.STRING, {"note": "holds no value"}
    if truth := _truth(values):
        return Type.BOOLEAN, {"truth": truth}
    if all(map(_INTEGER.fullmatch, values)):
        return _digits(values)
    if all(_is_number(value, decimal) for value in values):
        return Type.FLOAT, {}
    if (kind := _iso(values)) is not None:
        return kind, {}
    if formats := tuple(_formats(values)):
        is_day = not re.search("%[HI]", formats[0])
        return Type.DATE if is_day else Type.TIMESTAMP, {"formats": formats}
    return Type.STRING, _text_note(values, decimal)


def _digits(values: list[str]) -> tuple[Type, dict[str, Any]]:
    if any(re.match(r"[+-]?0\d", value) for value in values):
        return Type.STRING, {"note": "has leading zeros, which a number would lose"}
    if any(len(value.lstrip("+-")) > _MAX_DIGITS for value in values):
        return Type.STRING, {"note": f"has more than {_MAX_DIGITS} digits, which a number would lose"}
    return Type.INTEGER, {}


def _text_note(values: list[str], decimal: str) -> dict[str, Any]:
    marked = sum(
        any(pattern.fullmatch(value) for pattern in (COMMA_NUMBER, POINT_NUMBER))
        or re.fullmatch(r"[+-]?\d{1,3}([.,' ]\d{3})+", value) is not None
        or _INTEGER.fullmatch(value) is not None
        for value in values
    )
    if marked == len(values):
        return {
            "note": f"holds numbers with marks between thousands, or another decimal mark than {decimal!r}"
        }
    return {}


def _is_number(value: str, decimal: str) -> bool:
    return (
        re.fullmatch(rf"[+-]?(\d+({re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)([eE][+-]?\d+)?", value)
        is not None
    )


def _truth(values: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the words for true and false if there are both, and nothing else."""
    for true, false in _TRUTH:
        if {value.lower() for value in values} == {true, false}:
            return (
                tuple(sorted(value for value in values if value.lower() == true)),
                tuple(sorted(value for value in values if value.lower() == false)),
            )
    return None


def _iso(values: list[str]) -> Type | None:
    """Return the type of times that Arrow reads without a format."""
    import pyarrow as pa

    if not all(re.match(r"\d{4}-\d\d-\d\d", value) for value in values[:1000]):
        return None
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        kinds = [(Type.DATE, pa.date32())]
    else:
        kinds = [
            (Type.TIMESTAMP, pa.timestamp("ns")),
            (Type.TIMESTAMPTZ, pa.timestamp("ns", "UTC")),
        ]
    for kind, arrow in kinds:
        try:
            pa.array(values, pa.string()).cast(arrow)
        except pa.ArrowInvalid:
            continue
        return kind
    return None


def _formats(values: list[str]) -> Iterator[str]:
    """Yield the formats in which every value is a day of our times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pa.array(values, pa.string())
    for time_format in TIME_FORMATS:
        if not _fits(values[0], time_format):
            continue
        times = pc.strptime(cells, time_format, "s", error_is_null=True)
        years = pc.min_max(pc.year(times)).as_py()
        if not times.null_count and years["min"] >= 1900 and years["max"] < 2200:
            yield time_format


def _fits(value: str, time_format: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    return not pc.strptime(pa.array([value]), time_format, "s", error_is_null=True).null_count


def _typed(cells: pa.ChunkedArray, kind: Type, decimal: str, options: dict[str, Any]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind is Type.STRING:
        return cells
    if kind is Type.BOOLEAN:
        true = pa.array(options["truth"][0], pa.string())
        return pc.if_else(pc.is_null(cells), pa.scalar(None, pa.bool_()), pc.is_in(cells, true))
    if kind is Type.INTEGER:
        return pc.replace_substring_regex(cells, r"^\+", "").cast(pa.int64())
    if kind is Type.FLOAT:
        plain = pc.replace_substring_regex(pc.replace_substring(cells, decimal, "."), r"^\+", "")
        return plain.cast(pa.float64())
    if formats := options.get("formats"):
        times = pc.strptime(cells, formats[0], "us")
        return times.cast(pa.date32()) if kind is Type.DATE else times
    if kind is Type.DATE:
        return cells.cast(pa.date32())
    zone = "UTC" if kind is Type.TIMESTAMPTZ else None
    return cells.cast(pa.timestamp("ns", zone)).cast(pa.timestamp("us", zone), safe=False)
