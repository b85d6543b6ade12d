"""The columns of a sample: which type each has, and why where that is not obvious."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from include.contract.columns import EPOCHS
from include.contract.columns import Column as ContractColumn
from include.ingestion.casting import cast
from include.ingestion.text_values import LEADING_ZERO, TextForm, null_words, strptime
from include.ingestion.type_names import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CATEGORIES = 50
"""Different texts up to which a column is one of categories."""
_MAX_DIGITS = 15
"""Digits that a float64 holds exactly; identifiers that are longer are text."""
NULL_WORDS = frozenset({"-", "--", "?", ".", "None", "none", "Null", "NONE", "n.a.", "N.A.", "k.A.", "#N/V"})
"""Words for a missing value beside those that readers of CSV know, such as `NA`."""
_TRUTH = (("true", "false"), ("yes", "no"), ("y", "n"), ("ja", "nein"), ("oui", "non"), ("t", "f"))
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
TIME_NAME = re.compile(r"time|date|stamp|epoch|(^|_)ts$|_at$|created|updated", re.IGNORECASE)
"""Names of columns of times; their large numbers are counted since 1970."""


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

    `name` is that of the contract, `given` that of the file, empty where it has none. `formats` are those of
    its times where they are not ISO 8601, several if more than one fits. `null_words` stand for a missing
    value in it, `truth` are its words for true and false. `since` is the first day that has it, None for all.
    """

    name: str
    type: Type
    values: pa.ChunkedArray = field(repr=False, compare=False)
    given: str = ""
    note: str = ""
    formats: tuple[str, ...] = ()
    null_words: tuple[str, ...] = ()
    truth: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    since: date | None = None

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


def column_of_text(name: str, cells: pa.ChunkedArray, form: TextForm) -> Column:
    """Return a column of a CSV file: its type is what every cell can be read as by a load."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = cells.combine_chunks()
    unique = [cell for cell in pc.unique(whole).to_pylist() if cell]
    words = tuple(sorted(set(unique) & NULL_WORDS))
    values = [cell for cell in unique if cell not in words and cell not in null_words()]
    kind, options = _kind(name, values, form) if values else (Type.STRING, {"note": "holds no value"})
    own = _form(form, words, options)
    typed = own.parse(whole, _arrow(kind))
    if typed.odd is not None or kind is Type.STRING:
        kind, words, options = Type.STRING, (), {"note": options.get("note", "")}
        typed = form.parse(whole, pa.string())
    return Column(name=name, type=kind, values=pa.chunked_array([typed.values]), null_words=words, **options)


def _form(form: TextForm, words: tuple[str, ...], options: Mapping[str, Any]) -> TextForm:
    true, false = options.get("truth", ((), ()))
    return replace(
        form,
        null_values=words,
        true_values=true,
        false_values=false,
        time_formats=options.get("formats", ())[:1],
        keeps_zeros=False,
    )


def column_of_values(name: str, values: pa.ChunkedArray) -> Column:
    """Return a column of a Parquet file, which has a type; text of times and instants get theirs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(values.type):
        return Column(name=name, type=Type.STRING, values=values.cast(pa.string()), note="holds no value")
    if pa.types.is_string(values.type):
        unique = [value for value in pc.unique(values).to_pylist() if value]
        found = (_iso(unique) if unique else None) or Type.STRING
        return _as_type(name, values, found, TextForm(), "is text of times" if found.is_time else "")
    kind = _type_of(values.type)
    if kind is Type.INTEGER and (epoch := _epoch(name, *_bounds(values))):
        form, note = TextForm(time_formats=(epoch,)), _SINCE_1970
        return replace(_as_type(name, values, Type.TIMESTAMPTZ, form, note), formats=(epoch,))
    if kind is Type.DECIMAL:
        return Column(name=name, type=kind, values=values)
    return _as_type(name, values, kind, None, "")


def _as_type(name: str, values: pa.ChunkedArray, kind: Type, form: TextForm | None, note: str) -> Column:
    """Return a column of values as a load casts them; of another type where that would change some."""
    import pyarrow as pa

    if kind is not Type.OTHER:
        found = cast(values.combine_chunks(), _arrow(kind), form=form)
        if found.odd is None:
            return Column(name=name, type=kind, values=pa.chunked_array([found.values]), note=note)
    return Column(
        name=name, type=Type.OTHER, values=values, note=f"is {values.type}, which no column of a contract is"
    )


def _type_of(kind: pa.DataType) -> Type:
    import pyarrow as pa

    is_a = pa.types
    for test, own in (
        (is_a.is_boolean, Type.BOOLEAN),
        (is_a.is_integer, Type.INTEGER),
        (is_a.is_floating, Type.FLOAT),
        (is_a.is_decimal128, Type.DECIMAL),
        (is_a.is_date, Type.DATE),
    ):
        if test(kind):
            return own
    if is_a.is_timestamp(kind):
        return Type.TIMESTAMPTZ if kind.tz else Type.TIMESTAMP
    return Type.OTHER


def _arrow(kind: Type) -> pa.DataType:
    return arrow_type(ContractColumn(type=kind.value))


def _kind(name: str, values: list[str], form: TextForm) -> tuple[Type, dict[str, Any]]:
    """Return the type that every value fits, and what else is to know of the column."""
    values = [value.strip() for value in values]  # as a load does, but for text
    if truth := _truth(values):
        return Type.BOOLEAN, {"truth": truth}
    if all(re.fullmatch(r"[+-]?\d+", value) for value in values):
        return _digits(name, values)
    if form.thousands and _fits(values, Type.INTEGER, form):
        return Type.INTEGER, {"note": f"has {form.thousands!r} between thousands"}
    if _fits(values, Type.FLOAT, form):
        return Type.FLOAT, {}
    if (kind := _iso(values)) is not None:
        return kind, {}
    if formats := tuple(_formats(values)):
        is_day = not re.search("%[HI]", formats[0])
        return Type.DATE if is_day else Type.TIMESTAMP, {"formats": formats}
    return Type.STRING, _text_note(values)


def _fits(values: list[str], kind: Type, form: TextForm) -> bool:
    import pyarrow as pa

    return form.parse(pa.array(values, pa.string()), _arrow(kind)).odd is None


def _digits(name: str, values: list[str]) -> tuple[Type, dict[str, Any]]:
    if any(re.match(LEADING_ZERO, value) for value in values):
        return Type.STRING, {"note": "has leading zeros, which a number would lose"}
    if any(len(value.lstrip("+-")) > _MAX_DIGITS for value in values):
        return Type.STRING, {"note": f"has more than {_MAX_DIGITS} digits, which a number would lose"}
    if epoch := _epoch(name, min(map(int, values)), max(map(int, values))):
        return Type.TIMESTAMPTZ, {"formats": (epoch,), "note": _SINCE_1970}
    return Type.INTEGER, {}


_SINCE_1970 = "is counted since 1970"


def _epoch(name: str, least: float, most: float) -> str | None:
    """Return the format of instants between 2001 and 2065, where a column's name says that it has such."""
    if not TIME_NAME.search(name):
        return None
    units = {"epoch_s": 1.0, "epoch_ms": 1e3}
    return next((one for one in EPOCHS if 1e9 * units[one] <= least and most < 3e9 * units[one]), None)


def _bounds(values: pa.ChunkedArray) -> tuple[float, float]:
    import pyarrow.compute as pc

    found = pc.min_max(values).as_py()
    return (0, 0) if found["min"] is None else (found["min"], found["max"])


def _text_note(values: list[str]) -> dict[str, Any]:
    if all(re.fullmatch(r"[+-]?[\d.,' ]*\d[\d.,' ]*", value) for value in values):
        return {"note": "holds numbers that are not all written in the same way"}
    return {}


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
    """Return the type of times in ISO 8601."""
    if not re.match(r"\d{4}-\d\d-\d\d", values[0]):
        return None
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        kinds = [Type.DATE]
    else:
        kinds = [Type.TIMESTAMP, Type.TIMESTAMPTZ]
    return next((kind for kind in kinds if _fits(values, kind, TextForm())), None)


def _formats(values: list[str]) -> Iterator[str]:
    """Yield the formats in which every value is a day of our times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    few, cells = pa.array(values[:100], pa.string()), pa.array(values, pa.string())
    for time_format in TIME_FORMATS:
        if strptime(few, time_format).null_count or strptime(cells, time_format).null_count:
            continue
        years = pc.min_max(pc.year(strptime(cells, time_format))).as_py()
        if years["min"] >= 1900 and years["max"] < 2200:
            yield time_format
