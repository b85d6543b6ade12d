"""The section `source.excel`: where the rows of a workbook stand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from include.contract.numbers import NUMBER
from include.contract.text import ColumnName, Text, check_columns
from include.contract.types import Section

SheetName = Annotated[str, Text(100)]
"""Excel allows 31 characters, LibreOffice more."""


class Excel(Section):
    """Which sheet of a workbook is read, and which of its rows holds the names of columns."""

    sheet: SheetName | None = Field(
        None, description="The sheet's name; null: the only one that is not hidden."
    )
    header_row: Annotated[int, Field(ge=1, le=1000), NUMBER] | None = Field(
        1, description="The row that holds the names of columns, counted from 1; null: none does."
    )
    columns: tuple[ColumnName, ...] | None = Field(
        None, description="The names of all columns, instead of those of header_row; null: it has them."
    )

    @model_validator(mode="after")
    def _columns_are_names(self) -> Excel:
        if self.header_row is None and self.columns is None:
            raise ValueError("header_row is null, so columns has to name each column of the sheet")
        check_columns(self.columns, "sheet")
        return self
