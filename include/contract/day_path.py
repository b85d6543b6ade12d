"""The day in a source's path: `{dt}`, or `{dt:%Y%m%d}` with the letters of `strftime` that make up a day.

`%-m` and `%-d` are months and days without a leading zero, as Spark writes numbers into names of folders.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from urllib.parse import unquote

from include.excerpt import quote

_DAY = re.compile(r"\{dt(?::([^{}]*))?\}")
_LETTERS = ("Y", "y", "m", "d", "j", "-m", "-d")
_DIGITS = {"Y": "{4}", "y": "{2}", "m": "{2}", "d": "{2}", "j": "{3}", "-m": "{1,2}", "-d": "{1,2}"}
_LETTER = r"%(-?\w)"
_BESIDE_A_NUMBER = re.compile(r"%-\w[%\d*]|(%-?\w|[\d*])%-|%-\w\}[\d{*]|[\d}*]\{dt:%-")
"""A number of one digit or two is distinguished from another only by what stands between them."""
_ISO = "%Y-%m-%d"


def check_day_path(path: str) -> str:
    """Return a path; raises ValueError if what stands for the day in it cannot be understood."""
    if odd := re.search(r"\{[^{}]*\}?|\}", _DAY.sub("", path)):
        raise ValueError(
            f"{quote(path)} holds {quote(odd[0])}; write the day as '{{dt}}', or with a format as "
            "'{dt:%Y%m%d}'"
        )
    found = _raw_letters(path)
    if unknown := sorted(found - set(_LETTERS)):
        allowed = ", ".join(f"%{letter}" for letter in _LETTERS)
        raise ValueError(f"{quote(path)} holds {quote('%' + unknown[0])}, which no day has; use {allowed}")
    if found & {"-m", "-d"} and _BESIDE_A_NUMBER.search(path):
        raise ValueError(
            f"{quote(path)} has '%-m' or '%-d' beside another number or '*', so that its end is unknown; "
            "write a character between them, as in '{dt:%Y-%-m-%-d}'"
        )
    letters = _letters(path)
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


def day_column(path: str) -> str | None:
    """Return the column of a folder's name that holds the day: `dt` of `dt={dt}`, `day` of `day={dt:%d}`.

    `names_day` is true of it: the whole day takes its place.
    """
    for found in re.finditer(r"(?:^|/)([^/={}]+)=(\{dt(?::[^{}]*)?\})(?=/|$)", path):
        if _has_days(found[2]):
            return unquote(found[1])
    return None


def path_of(path: str, day: date) -> str:
    """Return the path of a day."""
    return _DAY.sub(lambda found: day.strftime(_form(found)), path)


def any_day(path: str) -> str:
    """Return a path with `*` in place of what stands for the day."""
    return _DAY.sub(lambda found: re.sub(r"[^/]+", "*", _form(found)), path)


def day_in(path: str, found: str) -> date | None:
    """Return the first day that a file's path is for, None where its digits are no date."""
    place = path.partition("://")[2] or path
    match = re.search(_pattern(place), found)
    if match is None:
        return None
    letters = re.findall(r"%-?(\w)", "".join(map(_form, _DAY.finditer(place))))
    given = dict(zip(letters, match.groups(), strict=True))
    if "j" not in given:
        given = {"m": "01", "d": "01", **given}
    try:
        return datetime.strptime(" ".join(given.values()), " ".join(f"%{one}" for one in given)).date()
    except ValueError:  # a number in a name
        return None


def _pattern(path: str) -> str:
    """Return a pattern for the paths of files, with a group for each part of the day."""
    parts, last = [], 0
    for found in _DAY.finditer(path):
        parts += [_literal(path[last : found.start()]), _digits(_form(found))]
        last = found.end()
    return "".join([*parts, _literal(path[last:])])


def _literal(text: str) -> str:
    """Return a pattern for a text around days, which a URI may write with `%20`."""
    return "[^/]*".join(re.escape(unquote(part)) for part in text.split("*"))


def _digits(form: str) -> str:
    pieces = re.split(_LETTER, form)
    return "".join(
        rf"(\d{_DIGITS[piece]})" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)
    )


def _form(found: re.Match[str]) -> str:
    return _ISO if found[1] is None else found[1]


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
    """Return the letters of the path's formats, whether they are written with leading zeros or not."""
    return {letter.removeprefix("-") for letter in _raw_letters(path)}


def _raw_letters(path: str) -> set[str]:
    """Return what stands after each % of the path's formats."""
    return set(re.findall(r"%(-?.?)", "".join(map(_form, _DAY.finditer(path)))))
