"""Values that are written as text, in CSV and elsewhere: how they are read, and which are none.

What a cell is follows from the type of its column, never from its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from include.contract.columns import EPOCHS
from include.contract.dialect import Csv
from include.lake.exact import Converted, exact
from include.lake.misfits import refusals

if TYPE_CHECKING:
    import pyarrow as pa

_TIME_OF_DAY = r"\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_TIME = rf"\d{{4}}-\d\d-\d\d([ T](\d\d|{_TIME_OF_DAY}))?"
_OFFSET = r" ?(Z|[+-]\d\d(:?\d\d)?)"
_SPECIAL = r"[+-]?(nan|inf|infinity)"
"""Numbers that are no digits, as Arrow reads them in any case."""
LEADING_ZERO = r"^[+-]?0[0-9]"
LONG_NUMBER = r"^[+-]?[0-9]{16,}$"


@dataclass(frozen=True)
class TextForm:
    """How values are written as text.

    `null_values` stand for a missing value in any column, `null_words` in those of other values than text.
    With `keeps_zeros`, what begins with zeros is not a whole number, as they would be lost.
    """

    decimal: str = "."
    thousands: str | None = None
    null_values: tuple[str, ...] = ()
    null_words: tuple[str, ...] = ()
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    time_formats: tuple[str, ...] = ()
    keeps_zeros: bool = True

    @classmethod
    def of(cls, dialect: Csv) -> TextForm:
        """Return the form of the cells of a CSV file."""
        return cls(
            decimal=dialect.decimal,
            thousands=dialect.thousands,
            null_values=dialect.null_values,
            null_words=null_words(),
            true_values=dialect.true_values,
            false_values=dialect.false_values,
            time_formats=dialect.time_formats,
        )

    def without_missing(self, cells: pa.Array, *, is_text: bool = True) -> pa.Array:
        """Return the cells, null where they stand for a missing value; empty ones always do."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = self.null_values if is_text else (*self.null_values, *self.null_words)
        present = pc.not_equal(pc.binary_length(cells), 0)
        if words:
            present = pc.and_not(present, pc.is_in(cells, pa.array(words, pa.string())))
        return _masked(cells, present) if present.false_count else cells

    def parse(self, cells: pa.Array, kind: pa.DataType) -> Converted:
        """Return the cells, which are text, as values of a type; spaces count in text only."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_string(kind):
            return Converted(self.without_missing(cells), None)
        if (values := self._fast(cells, kind)) is not None:
            return Converted(values, None)
        cells = self.without_missing(pc.ascii_trim_whitespace(cells), is_text=False)
        if (read := self._reader(kind)) is None:
            return Converted(
                pa.nulls(len(cells), kind), cells.is_valid() if cells.null_count < len(cells) else None
            )
        return read(cells, kind)

    def _fast(self, cells: pa.Array, kind: pa.DataType) -> pa.Array | None:
        """Return the values of cells that Arrow can read as they are; None if there are others among them."""
        import pyarrow as pa

        if not self._is_plain(kind):
            return None
        cells = TextForm().without_missing(cells)
        try:
            values = cells.cast(kind)
        except pa.ArrowInvalid:
            return None
        if self.keeps_zeros and pa.types.is_integer(kind) and has_leading_zeros(cells):
            return None
        return values

    def _is_plain(self, kind: pa.DataType) -> bool:
        """Return whether Arrow reads values of a type as this form says."""
        import pyarrow as pa

        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return self.decimal == "." and self.thousands is None
        return (pa.types.is_timestamp(kind) or pa.types.is_date(kind)) and not self.time_formats

    def _reader(self, kind: pa.DataType) -> Callable[[pa.Array, pa.DataType], Converted] | None:
        import pyarrow as pa

        is_a = pa.types
        if is_a.is_integer(kind):
            return self._integers
        if is_a.is_floating(kind) or is_a.is_decimal(kind):
            return self._numbers
        if is_a.is_boolean(kind):
            return self._truths
        if is_a.is_timestamp(kind) or is_a.is_date(kind):
            return self._times
        if is_a.is_time(kind):
            return _times_of_day
        return None

    def _integers(self, cells: pa.Array, kind: pa.DataType) -> Converted:
        """Read whole numbers; pandas writes them as `12.0` where a neighbour is missing."""
        import pyarrow.compute as pc

        mark = re.escape(self.decimal)
        digits = self._ungrouped(cells)
        fits = pc.match_substring_regex(digits, rf"^[+-]?[0-9]+({mark}0*)?$")
        if self.keeps_zeros:
            fits = pc.and_not(fits, pc.match_substring_regex(cells, LEADING_ZERO))
        return _converted(pc.replace_substring_regex(digits, rf"(^\+)|({mark}0*$)", ""), fits, kind)

    def _numbers(self, cells: pa.Array, kind: pa.DataType) -> Converted:
        import pyarrow.compute as pc

        mark = re.escape(self.decimal)
        digits = self._ungrouped(cells)
        number = rf"[+-]?([0-9]+({mark}[0-9]*)?|{mark}[0-9]+)([eE][+-]?[0-9]+)?"
        fits = pc.match_substring_regex(digits, rf"^({number}|(?i:{_SPECIAL}))$")
        return _converted(pc.replace_substring(digits, self.decimal, "."), fits, kind)

    def _ungrouped(self, cells: pa.Array) -> pa.Array:
        """Return numbers without the marks between their thousands; others are left as they are."""
        import pyarrow.compute as pc

        if self.thousands is None:
            return cells
        group, mark = re.escape(self.thousands), re.escape(self.decimal)
        grouped = pc.match_substring_regex(cells, rf"^[+-]?[0-9]{{1,3}}({group}[0-9]{{3}})+({mark}[0-9]*)?$")
        return pc.if_else(grouped, pc.replace_substring(cells, self.thousands, ""), cells)

    def _truths(self, cells: pa.Array, _: pa.DataType) -> Converted:
        import pyarrow as pa
        import pyarrow.compute as pc

        true = [*self.true_values, "true", "True", "TRUE", "1"]
        false = [*self.false_values, "false", "False", "FALSE", "0"]
        is_true, is_false = (pc.is_in(cells, pa.array(words)) for words in (true, false))
        values = pc.if_else(pc.or_(is_true, is_false), is_true, None)
        return Converted(values, _odd(cells, values))

    def _times(self, cells: pa.Array, kind: pa.DataType) -> Converted:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.time_formats and self.time_formats[0] in EPOCHS:
            return self._since_1970(cells, kind)
        zoned = pa.types.is_timestamp(kind) and kind.tz is not None
        fits = pc.match_substring_regex(cells, rf"^{_TIME}{_OFFSET if zoned else ''}$")
        is_fine = kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")) and not self.time_formats
        # SQL Server and .NET write seven digits of a second; Arrow reads six, even if the others are zeros.
        plain = cells if is_fine else pc.replace_substring_regex(cells, r"(\.\d{6})0+($|[ Z+-])", r"\1\2")
        found = _converted(plain, fits, pa.timestamp("ns" if is_fine else "us", "UTC" if zoned else None))
        values = found.values
        for time_format in self.time_formats:
            if not values.null_count:
                break
            times = strptime(cells, time_format)
            if (times.type.tz is not None) == zoned:
                values = pc.coalesce(values, times.cast(values.type))
        return _as_kind(values, kind, _odd(cells, values))

    def _since_1970(self, cells: pa.Array, kind: pa.DataType) -> Converted:
        """Read an instant as the count of seconds or milliseconds."""
        import pyarrow as pa

        counts, odd = self._integers(cells, pa.int64())
        return _as_kind(counts.cast(pa.timestamp(EPOCHS[self.time_formats[0]], "UTC")), kind, odd)


def _times_of_day(cells: pa.Array, kind: pa.DataType) -> Converted:
    """Read times such as `05:30`, which Arrow's casts do not: they are read as those of a day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(cells, rf"^{_TIME_OF_DAY}$")
    times, odd = _converted(pc.binary_join_element_wise("1970-01-01", cells, " "), fits, pa.timestamp("ns"))
    return _as_kind(times.cast(pa.time64("ns")), kind, odd)


def _masked(cells: pa.Array, present: pa.BooleanArray) -> pa.Array:
    """Return text with nulls; the text itself is not copied."""
    import pyarrow as pa

    if cells.offset or cells.null_count or present.offset:
        return pa.compute.if_else(present, cells, None)
    return pa.Array.from_buffers(cells.type, len(cells), [present.buffers()[1], *cells.buffers()[1:]])


def strptime(cells: pa.Array, time_format: str) -> pa.Array:
    """Return the times of a format, null where a text has none, such as 31 April."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = pc.strptime(cells, time_format, "us", error_is_null=True)
    # Arrow takes 31 April for 1 May: https://github.com/apache/arrow/issues/31374. What it has carried over
    # lies on one of the first three days of a month, or, with an offset from UTC, a day beside these.
    days = pc.day(times.cast(pa.timestamp("us")))
    doubtful = pc.or_(pc.less_equal(days, 4), pc.greater_equal(days, 28))
    suspects = pc.unique(pc.filter(cells, doubtful, null_selection_behavior="drop"))
    if not (none := [text for text in suspects.to_pylist() if not _is_time(text, time_format)]):
        return times
    return pc.if_else(pc.is_in(cells, pa.array(none, pa.string())), None, times)


def _is_time(text: str, time_format: str) -> bool:
    try:
        datetime.strptime(text, time_format)
    except ValueError:
        return False
    return True


def loses_digits(cells: pa.Array) -> bool:
    """Return whether a text is a whole number of more digits than a float of 64 bits keeps."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(cells, LONG_NUMBER)).as_py())


def has_leading_zeros(cells: pa.Array) -> bool:
    """Return whether a text is a number with zeros before its first digit, which a number would lose."""
    import pyarrow.compute as pc

    starts = pc.or_(pc.starts_with(cells, "0"), pc.starts_with(cells, "-0"))
    if not pc.any(starts).as_py():
        return False
    return bool(pc.any(pc.match_substring_regex(cells, LEADING_ZERO)).as_py())


@lru_cache(maxsize=1)
def null_words() -> tuple[str, ...]:
    """Return the words that Arrow's reader of CSV takes for a missing value, such as `NA`."""
    from pyarrow import csv

    return tuple(csv.ConvertOptions().null_values)


def _as_kind(values: pa.Array, kind: pa.DataType, odd: pa.BooleanArray | None) -> Converted:
    """Return times as another type, odd where that would lose a part of them."""
    import pyarrow.compute as pc

    found = exact(values, kind)
    if odd is None or found.odd is None:
        return Converted(found.values, found.odd if odd is None else odd)
    return Converted(found.values, pc.or_(odd, found.odd))


def _converted(cells: pa.Array, fits: pa.BooleanArray, kind: pa.DataType) -> Converted:
    """Return the cells that fit as values; those that Arrow refuses all the same are odd."""
    import pyarrow as pa
    import pyarrow.compute as pc

    candidates = pc.if_else(fits, cells, None)
    try:
        values = candidates.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values = pc.if_else(refusals(candidates, kind), None, candidates).cast(kind)
    return Converted(values, _odd(cells, values))


def _odd(cells: pa.Array, values: pa.Array) -> pa.BooleanArray | None:
    """Return where a cell has a text, but no value; None for nowhere."""
    import pyarrow.compute as pc

    if cells.null_count == values.null_count:
        return None
    return pc.and_(cells.is_valid(), values.is_null())
