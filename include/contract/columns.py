"""The section `columns`: what the columns of the table are, whatever a single file of the source looks like.

The words for types are those of SQL and of open table formats (https://iceberg.apache.org/spec/), with
`integer` and `float` of 64 bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from include.contract.dialect import Word, check_time_format
from include.contract.text import ColumnName, Text
from include.contract.types import Day, Section
from include.excerpt import nearest, quote

EPOCHS = {"epoch_s": "s", "epoch_ms": "ms"}
"""Formats of instants as numbers since 1970, with the unit that Arrow has for them."""

TYPES = ("boolean", "integer", "float", "string", "date", "timestamp", "timestamptz")
_TIMES = ("date", "timestamp", "timestamptz")
_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")
_MAX_DIGITS = 38
_ALLOWED = f"{', '.join(TYPES)} or decimal(digits, decimals), such as 'decimal(12,2)'"


def decimal_of(kind: str) -> tuple[int, int] | None:
    """Return the digits of a decimal, and those after its mark; None for other types."""
    found = _DECIMAL.fullmatch(kind)
    return (int(found[1]), int(found[2])) if found else None


def _check_type(value: str) -> str:
    if digits := decimal_of(value):
        if not 1 <= digits[0] <= _MAX_DIGITS or digits[1] > digits[0]:
            raise ValueError(
                f"{quote(value)} is not valid; a decimal has 1 to {_MAX_DIGITS} digits, and no more of them "
                "after its mark"
            )
        return f"decimal({digits[0]},{digits[1]})"
    if value not in TYPES:
        raise ValueError(f"{quote(value)} is not a type; {nearest(value, TYPES)}write {_ALLOWED}")
    return value


def _check_format(value: str) -> str:
    return value if value in EPOCHS else check_time_format(value)


ColumnType = Annotated[
    str,
    Text(100),
    AfterValidator(_check_type),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(TYPES)}|{_DECIMAL.pattern})$"}),
]


class Column(Section):
    """One column of the table."""

    type: ColumnType = Field(description=f"One of {_ALLOWED}.")
    source: ColumnName | None = Field(
        None, alias="from", description="The column's name in the source; null: the same."
    )
    nullable: bool = Field(True, description="Whether values may be missing.")
    null_values: tuple[Word, ...] = Field((), description="Texts that stand for a missing value.")
    format: Annotated[str, Text(100), AfterValidator(_check_format)] | None = Field(
        None,
        description="How times are written as text, in the letters of `strptime`, or 'epoch_s' or 'epoch_ms' "
        "for seconds or milliseconds since 1970; null: ISO 8601.",
    )
    since: Day | None = Field(
        None, description="The first day that has the column: on earlier days its values are missing."
    )

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, value: object) -> object:
        """Return `{type: …}` for a type alone."""
        if isinstance(value, str):
            return {"type": value}
        if not isinstance(value, dict | Column):
            raise ValueError(
                f"{quote(value)} is not a column; write its type, or keys such as 'type: integer'"
            )
        return value

    @model_validator(mode="after")
    def _format_fits(self) -> Column:
        if self.format is None:
            return self
        if self.type not in _TIMES:
            raise ValueError(f"format is for {', '.join(_TIMES)}, and this is {self.type}; remove it")
        if self.format in EPOCHS and self.type != "timestamptz":
            raise ValueError(f"{quote(self.format)} is an instant; write type 'timestamptz' for it")
        if self.format not in EPOCHS and self.type == "timestamptz" and "%z" not in self.format:
            raise ValueError(
                f"{quote(self.format)} has no offset from UTC; add '%z', or write type 'timestamp'"
            )
        return self


def _check_sources(value: Mapping[str, Column]) -> Mapping[str, Column]:
    seen: dict[str, str] = {}
    for name, column in value.items():
        source = column.source or name
        if source in seen:
            raise ValueError(
                f"{quote(name)} and {quote(seen[source])} are both made of the source's column "
                f"{quote(source)}; keep one of them"
            )
        seen[source] = name
    return value


def _schema_of_columns() -> dict[str, Any]:
    """Return the JSON Schema: a type alone, or a column with its keys."""
    column = Column.model_json_schema(by_alias=True)
    return {
        "type": "object",
        "additionalProperties": {"anyOf": [column["properties"]["type"], column]},
    }


Columns = Annotated[
    dict[ColumnName, Column],
    AfterValidator(_check_sources),
    WithJsonSchema(_schema_of_columns()),
]
