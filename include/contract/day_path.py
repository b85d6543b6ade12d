"""The day in a source's path: `{dt}`, or `{dt:%Y%m%d}` with the letters of `strftime` that make up a day."""

from __future__ import annotations

import re
from datetime import date, timedelta

from include.excerpt import quote

_DAY = re.compile(r"\{dt(?::([^{}]*))?\}")
_LETTERS = "Yymdj"
_ISO = "%Y-%m-%d"


def check_day_path(path: str) -> str:
    """Return a path; raises ValueError if what stands for the day in it cannot be understood."""
    if odd := re.search(r"\{[^{}]*\}?|\}", _DAY.sub("", path)):
        raise ValueError(
            f"{quote(path)} holds {quote(odd[0])}; write the day as '{{dt}}', or with a format as "
            "'{dt:%Y%m%d}'"
        )
    letters = _letters(path)
    if unknown := sorted(letters - set(_LETTERS)):
        allowed = ", ".join(f"%{letter}" for letter in _LETTERS)
        raise ValueError(f"{quote(path)} holds {quote('%' + unknown[0])}, which no day has; use {allowed}")
    if _DAY.search(path) and not letters & {"Y", "y"}:
        raise ValueError(f"{quote(path)} names a day without its year; add it, as in '{{dt:%Y%m%d}}'")
    if "d" in letters and "m" not in letters:
        raise ValueError(f"{quote(path)} names a day without its month; add it, as in '{{dt:%Y%m%d}}'")
    return path


def is_dated(path: str) -> bool:
    """Return whether a path names days, and not the file of a whole history."""
    return _DAY.search(path) is not None


def names_day(path: str, column: str) -> bool:
    """Return whether a part of the path gives the day as a column's value, as `column={dt}` does."""
    return bool(re.search(rf"(^|/){re.escape(column)}=\{{dt(:[^{{}}]*)?\}}(/|$)", path)) and _has_days(path)


def path_of(path: str, day: date) -> str:
    """Return the path of a day."""
    return _DAY.sub(lambda found: day.strftime(_ISO if found[1] is None else found[1]), path)


def days_of(path: str, day: date) -> tuple[date, date]:
    """Return the first and the last day that have the same path as a day."""
    if not is_dated(path):
        return date.min, date.max
    if _has_days(path):
        return day, day
    if "m" in _letters(path):
        following = day.replace(day=28) + timedelta(days=4)
        return day.replace(day=1), following - timedelta(days=following.day)
    return day.replace(month=1, day=1), day.replace(month=12, day=31)


def _has_days(path: str) -> bool:
    return bool(_letters(path) & {"d", "j"})


def _letters(path: str) -> set[str]:
    """Return the letters after each % of the path's formats."""
    formats = "".join(
        _ISO if given is None else given for given in (found[1] for found in _DAY.finditer(path))
    )
    return set(re.findall(r"%(.?)", formats))
