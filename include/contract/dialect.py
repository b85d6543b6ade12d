"""The section `source.csv`: how a CSV file is written."""

from __future__ import annotations

import codecs
from collections import Counter
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from include.contract.numbers import NUMBER
from include.contract.text import ColumnName, Text, check_columns
from include.contract.types import Section
from include.excerpt import quote

UTF_8 = "utf-8"
_SAMPLE = "a;1,5\n"


def _check_mark(value: str) -> str:
    if len(value) != 1 or not (value.isprintable() or value == "\t") or not value.isascii():
        raise ValueError(f'{quote(value)} is not valid; write one ASCII character, such as ";" or "\\t"')
    return value


def _check_encoding(value: str) -> str:
    try:
        if _SAMPLE.encode(value).decode(value) != _SAMPLE:
            raise LookupError
        return codecs.lookup(value).name
    except (LookupError, ValueError) as error:  # codecs such as `hex`, which hold no text, are no encodings
        raise ValueError(
            f"{quote(value)} is not an encoding; write a name that Python knows, such as 'cp1252'"
        ) from error


def check_time_format(value: str) -> str:
    """Return a format of `strptime`; raises ValueError for a text that has no part of a time."""
    if "%" not in value:
        raise ValueError(f"{quote(value)} has no part of a time; write one such as '%d.%m.%Y %H:%M'")
    try:
        datetime.strptime("", value)
    except ValueError as error:
        if "bad directive" in str(error) or "stray %" in str(error):
            raise ValueError(f"{quote(value)}: {error}; use the letters of Python's strptime") from error
    if "%f" in value:
        raise ValueError(f"{quote(value)} has a fraction of a second (%f); only ISO 8601 may have one")
    return value


Mark = Annotated[
    str,
    AfterValidator(_check_mark),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1}),
]
Encoding = Annotated[str, Text(50), AfterValidator(_check_encoding)]
TimeFormat = Annotated[str, Text(100), AfterValidator(check_time_format)]
Word = Annotated[str, Text(100, min_length=0)]


class Csv(Section):
    """How a CSV file is written; the defaults are RFC 4180 in UTF-8."""

    delimiter: Mark = Field(",", description="The character between cells.")
    quote: Mark | None = Field('"', description="The character around cells; null: none.")
    escape: Mark | None = Field(
        None, description="The character that takes the meaning of the next; null: none."
    )
    decimal: Mark = Field(".", description="The decimal mark of numbers.")
    thousands: Mark | None = Field(None, description="The mark between thousands of numbers; null: none.")
    encoding: Encoding = Field(UTF_8, description="The encoding of the file, by its name in Python.")
    skip_lines: Annotated[int, Field(ge=0, le=1000), NUMBER] = Field(
        0, description="Lines before the header, or before the first row where there is none."
    )
    columns: tuple[ColumnName, ...] | None = Field(
        None, description="The names of all columns of a file without a header; null: it has one."
    )
    null_values: tuple[Word, ...] = Field(
        (),
        description="Words for a missing value in any column, beside the empty cell, and, among numbers, "
        "times and truth values, `NA`, `null` and their like.",
    )
    true_values: tuple[Word, ...] = Field((), description="Words for true, beside `true` and 1.")
    false_values: tuple[Word, ...] = Field((), description="Words for false, beside `false` and 0.")
    time_formats: tuple[TimeFormat, ...] = Field(
        (), description="Formats of times, in the letters of `strptime`, beside ISO 8601."
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> Csv:
        given = {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "escape": self.escape,
            "decimal": self.decimal,
            "thousands": self.thousands,
        }
        count = Counter(mark for name, mark in given.items() if mark and name != "escape")
        if self.escape in (self.delimiter, self.decimal):
            count[self.escape] += 1
        if twice := sorted(mark for mark, times in count.items() if times > 1):
            names = " and ".join(name for name, mark in given.items() if mark == twice[0])
            raise ValueError(f"{names} are {quote(twice[0])}; give each a character of its own")
        return self

    @model_validator(mode="after")
    def _columns_are_names(self) -> Csv:
        check_columns(self.columns, "file")
        return self
