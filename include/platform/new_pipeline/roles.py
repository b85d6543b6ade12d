"""The role of each column: time, target, numerical or categorical feature, or left out, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exceptions import BadData, Misconfigured
from include.excerpt import nearest, quote
from include.platform.new_pipeline.columns import MAX_CATEGORIES, TIME_NAME, Column, Type
from include.platform.new_pipeline.reason import Reason

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_NAMED = 10
_MIN_ROWS = 20
"""Rows from which on it says something that no value occurs twice."""
_ID = re.compile(
    r"(^|[_. -])(id|uuid|guid|key|nr|no|number|index|rowid)$|[a-z](Id|ID|Key|Nr)$", re.IGNORECASE
)
_PERSONAL = re.compile(
    r"e-?mail|phone|mobile|(^|[_ ])(fax|tel|ssn|iban|dob)([_ ]|$)|^name$|address|street|birth|passport|"
    r"(first|last|sur|full|user|given|family)[_ ]?name|licen[cs]e|tax_?id|ip_?addr",
    re.IGNORECASE,
)
ALLOWED_TARGETS = "0, 1 or empty, true and false, or in CSV words for them such as yes and no"


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the contract does with each column; `left_out` are read, and no features."""

    time: Column
    target: Column
    numerical: tuple[Column, ...]
    categorical: tuple[Column, ...]
    left_out: tuple[Column, ...]
    reasons: tuple[Reason, ...]

    @property
    def features(self) -> tuple[Column, ...]:
        """Numerical and categorical features, in this order."""
        return (*self.numerical, *self.categorical)


def assign(columns: Sequence[Column], *, target: str, time: str | None) -> Roles:
    """Return the role of each column.

    Raises Misconfigured where TARGET or TIME name no column, or have to be named; BadData where the column
    that they name cannot have this role.
    """
    target_column, target_reason = _target(columns, target)
    found_time, time_reason = time_column([one for one in columns if one is not target_column], time)
    numerical: list[Column] = []
    categorical: list[Column] = []
    left_out: list[Column] = []
    reasons: list[Reason] = []
    for column in columns:
        if column in (found_time, target_column):
            continue
        role, why = _role(column, target_column)
        reasons.append(Reason(role, column.name, why))
        {"numerical": numerical, "categorical": categorical}.get(role, left_out).append(column)
    if not numerical and not categorical:
        raise BadData(
            f"no column is left to predict {quote(target_column.name)} from: "
            + "; ".join(f"{one.value!r} {one.why}" for one in reasons[:_MAX_NAMED])
            + "; add a column of numbers or categories"
        )
    return Roles(
        time=found_time,
        target=target_column,
        numerical=tuple(numerical),
        categorical=tuple(categorical),
        left_out=tuple(left_out),
        reasons=(time_reason, target_reason, *reasons),
    )


def _find(columns: Sequence[Column], name: str, variable: str) -> Column:
    """Return the column that has a name in the contract or in the file."""
    for column in columns:
        if name in (column.name, column.given):
            return column
    names = [column.given or column.name for column in columns]
    shown = ", ".join(map(quote, names[:_MAX_NAMED])) + (
        f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    )
    raise Misconfigured(
        f"{variable}: there is no column {quote(name)}; {nearest(name, names)}name one of {shown}"
    )


def _target(columns: Sequence[Column], name: str) -> tuple[Column, Reason]:
    column = _find(columns, name, "TARGET")
    shown = f"target {quote(column.name)}"
    if column.type is Type.BOOLEAN:
        words = " and ".join(quote(word) for side in column.truth for word in side) or "true and false"
        known = f"holds {words}, which are read as 1 and 0"
    elif column.bounds == (0, 1) and column.distinct == 2:
        known = "holds 0 and 1"
    else:
        kinds = column.distinct
        raise BadData(
            f"{shown} is {column.type.value} and holds {kinds:,} different value(s) in {column.rows:,} rows; "
            f"a binary task allows {ALLOWED_TARGETS}, and both must occur: {_way(column)}"
        )
    if column.distinct < 2:
        raise BadData(f"{shown} has the same value in all rows; there is nothing to learn: give more rows")
    share = f"{positives(column):,} of {column.rows - column.nulls:,} are 1"
    unknown = f"; {column.nulls:,} empty, which no training uses" if column.nulls else ""
    return column, Reason("target", column.name, f"{known}; {share}{unknown}")


def _way(column: Column) -> str:
    """Return how a binary target is made of a column that is none."""
    derive = "derive a column in the data (in QUERY, by 'case when … then 1 else 0 end') that is 1"
    if column.distinct < 2:
        return "give rows of the other class, too"
    if column.distinct == 2:
        return f"{derive} for the value that is to be found and 0 for the other one, and name it as TARGET"
    if column.type.is_number:
        return f"{derive} where a count or an amount is above a limit, else 0, and name it as TARGET"
    return f"{derive} for the class that matters and 0 for all others, and name it as TARGET"


def positives(target: Column) -> int:
    """Return how many rows have the target 1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return int(pc.sum(target.values.cast(pa.float64())).as_py() or 0)


def time_column(columns: Sequence[Column], name: str | None) -> tuple[Column, Reason]:
    """Return the column that decides the day of a row; raises Misconfigured or BadData where none can."""
    candidates = [column for column in columns if column.type.is_time]
    if name:
        column, why = _find(columns, name, "TIME"), "as TIME says"
    elif len(candidates) == 1:
        column, why = candidates[0], "the only column of times"
    elif candidates:
        named = ", ".join(quote(one.name) for one in candidates)
        raise Misconfigured(
            f"{len(candidates)} columns hold times: {named}; name the one that decides the day of a row, as "
            f"in TIME={candidates[0].name}"
        )
    else:
        raise BadData(
            "no column holds times, and a pipeline cuts its rows into days by one; add a column such as "
            f"'2024-03-31 08:15:00'{_almost_times(columns)}"
        )
    return column, Reason("time", column.name, f"{why}; {_checked_time(column)}")


def _almost_times(columns: Sequence[Column]) -> str:
    named = [one.name for one in columns if TIME_NAME.search(one.name)]
    if not named:
        return ""
    return f"; correct {quote(named[0])}, whose values are not all written in one way that is known"


def _checked_time(column: Column) -> str:
    """Return how a time column is read; raises where it cannot be one."""
    shown = f"time {quote(column.name)}"
    if not column.type.is_time:
        raise BadData(
            f"{shown} is {column.type.value}; name another column, or correct it: a time is a date, a time "
            "stamp, or text such as '2024-03-31 08:15:00' or '31.03.2024 08:15', in one way in all rows"
        )
    if column.nulls:
        raise BadData(
            f"{shown} is empty in {column.nulls:,} of {column.rows:,} rows; every row needs its time, as it "
            "decides the row's day: fill it in, or leave such rows out"
        )
    if len(column.formats) > 1:
        used = column.formats[0]
        return f"read as {used!r}, as every value is also {column.formats[1]!r}: check which one it is"
    if column.formats:
        return f"written as {column.formats[0]!r}"
    return "with an offset" if column.type is Type.TIMESTAMPTZ else "without an offset"


def _role(column: Column, target: Column) -> tuple[str, str]:
    """Return the role of a column that is neither time nor target, and why."""
    for why in _reasons_to_leave_out(column, target):
        return "left out", why
    if column.type.is_number:
        return "numerical", _number(column)
    note = f"; it {column.note}" if column.note else ""
    return "categorical", f"text with {column.distinct} different values{note}"


def _number(column: Column) -> str:
    if column.type is Type.BOOLEAN:
        return "true or false"
    gaps = f", {column.nulls:,} empty" if column.nulls else ""
    note = f"; it {column.note}" if column.note else ""
    return f"{column.type.value}{gaps}{note}"


def _reasons_to_leave_out(column: Column, target: Column) -> Iterator[str]:
    values = column.rows - column.nulls
    if column.type is Type.OTHER:
        yield column.note
    if not values:
        yield "has no value"
    elif column.distinct == 1:
        yield "has the same value in every row"
    if column.type.is_time:
        yield "is another time; derive features such as hour or weekday in the data"
    if is_personal(column):
        yield (
            "looks personal: neither a feature nor in the suite; privacy.drop, or privacy.hash where tables "
            "are joined by it, keeps it out of the lake"
        )
    if _is_id(column):
        yield "is an identifier: almost every row has a value of its own"
    if column.type is Type.STRING and column.note.startswith(("holds numbers", "has spaces")):
        yield f"{column.note}; correct the data to use it"
    if column.type is Type.STRING and column.distinct > MAX_CATEGORIES:
        note = f" and {column.note}" if column.note else ""
        yield (
            f"is text with {column.distinct:,} different values{note}; up to {MAX_CATEGORIES} make categories"
        )
    if _gives_away(column, target):
        yield "determines the target without fail, so it is probably known only after it"


def is_personal(column: Column) -> bool:
    """Return whether a column of text has the name of something personal."""
    return column.type is Type.STRING and _PERSONAL.search(column.given or column.name) is not None


def _is_id(column: Column) -> bool:
    values = column.rows - column.nulls
    if values < _MIN_ROWS or column.type not in (Type.INTEGER, Type.STRING):
        return False
    is_named = _ID.search(column.given or column.name) is not None
    if column.distinct == values:
        return is_named or column.type is Type.STRING or _is_increasing(column)
    return is_named and column.distinct > values / 2


def _is_increasing(column: Column) -> bool:
    import pyarrow.compute as pc

    values = column.values.drop_null().combine_chunks()
    return bool(pc.all(pc.greater(values[1:], values[:-1])).as_py())


def _gives_away(column: Column, target: Column) -> bool:
    """Return whether the rows of the two classes share no value of a column, in a hundred rows or more."""
    import pyarrow as pa
    import pyarrow.compute as pc

    truth = target.values.cast(pa.float64())
    known = pc.and_(pc.is_valid(truth), pc.is_valid(column.values))
    values, truth = pc.filter(column.values, known), pc.filter(truth, known)
    if len(values) < 100 or pc.count_distinct(truth).as_py() < 2:
        return False
    if column.type.is_number:
        return _is_apart(values.cast(pa.float64()), truth)
    pairs = pa.table({"value": values, "target": truth}).group_by(["value", "target"]).aggregate([])
    return len(pairs) == column.distinct


def _is_apart(values: pa.ChunkedArray, truth: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    zero = pc.min_max(pc.filter(values, pc.equal(truth, 0))).as_py()
    one = pc.min_max(pc.filter(values, pc.equal(truth, 1))).as_py()
    return bool(zero["max"] < one["min"] or one["max"] < zero["min"])
