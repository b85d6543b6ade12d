"""A sheet of a workbook: which one it is, where its columns begin, and the names that they have."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from include.contract.excel import Excel
from include.exceptions import BadData
from include.excerpt import nearest, quote
from include.ingestion.files import SourceFile, opened

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

EMPTY = ""
"""What an empty cell holds, and one whose formula has failed."""
_MAX_NAMED = 10
_HEAD = 4096
_MOST_CELLS = 100_000_000
_DIMENSION = re.compile(rb'<dimension ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
_PANIC = "PanicException"
"""How a panic of Rust, for which a damaged file is enough, arrives: as a BaseException of no module."""
_FORMS = ".xlsx, .xlsb, .xls or .ods"


@dataclass(frozen=True)
class Sheet:
    """The columns of a sheet, in order, and the rows below the header.

    `name` is for messages: that of the file and the sheet. A column without a name has an empty one;
    `letters` are those of a spreadsheet.
    """

    name: str
    columns: Sequence[str]
    letters: Sequence[str]
    rows: Iterator[list[Any]] = field(repr=False)


@contextmanager
def sheet_of(file: SourceFile, options: Excel, required: str) -> Iterator[Sheet]:
    """Open the sheet that the contract names; `required` is a column that shows that a row is the header.

    Raises BadData for a file that is not a workbook, a sheet that cannot be chosen, a header that is not one.
    """
    with _workbook(file) as workbook:
        name = _chosen(workbook, file, options.sheet)
        found = workbook.get_sheet_by_name(name)
        label = f"{file.name}, sheet {quote(name)}"
        if found.start is None or found.end is None:
            raise BadData(f"{label} is empty; provide the file again, or correct source.excel.sheet")
        rows = iter(found.iter_rows())
        header = _header(found, rows, options, label)
        letters = [_letters(found.start[1] + number) for number in range(found.width)]
        _check(header, options, label, required)
        yield Sheet(label, header, letters, rows)


@contextmanager
def _workbook(file: SourceFile) -> Iterator[CalamineWorkbook]:
    import python_calamine

    with opened(file) as content:
        try:
            _check_size(file, content)
            content.seek(0)
            with python_calamine.load_workbook(content) as workbook:
                yield workbook
        except python_calamine.PasswordError:
            raise BadData(f"{file.name} is protected by a password; provide it without one") from None
        except BaseException as error:
            if not isinstance(error, python_calamine.CalamineError) and type(error).__name__ != _PANIC:
                raise
            raise BadData(  # the library's text may quote cells
                f"{file.name} cannot be read as a workbook ({_FORMS}); provide the file again, or set "
                "source.reader to 'csv' if it is text"
            ) from None


def _check_size(file: SourceFile, content: Any) -> None:
    """Raise BadData if a sheet is so wide and long that the library, which holds each cell, would end here.

    A single value far away from the table is enough.
    """
    # What cannot be read as an archive is not one, or damaged: the library says so.
    with suppress(BadZipFile, zlib.error, EOFError, RuntimeError), ZipFile(content) as archive:
        for name in archive.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            with archive.open(name) as sheet:
                found = _DIMENSION.search(sheet.read(_HEAD))
            if found and (cells := _area(found)) > _MOST_CELLS:
                span = f"{found[1].decode()}{found[2].decode()}:{found[3].decode()}{found[4].decode()}"
                raise BadData(
                    f"{file.name}: a sheet spans {span}, {cells:,} cells; remove what stands away from the "
                    "table"
                )


def _area(found: re.Match[bytes]) -> int:
    """Return how many cells a range such as A1:C9 has."""
    width = _number(found[3]) - _number(found[1]) + 1
    return width * (int(found[4]) - int(found[2]) + 1)


def _number(letters: bytes) -> int:
    """Return the number of a column, counted from 1."""
    return reduce(lambda above, letter: above * 26 + letter - ord("A") + 1, letters, 0)


def _chosen(workbook: CalamineWorkbook, file: SourceFile, wanted: str | None) -> str:
    """Return the name of the sheet to read."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [one for one in workbook.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    names = [one.name for one in sheets]
    if wanted in names:
        return str(wanted)
    seen = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
    if wanted is None and len(seen) == 1:
        return seen[0]
    shown = ", ".join(map(quote, (names if wanted else seen)[:_MAX_NAMED])) or "none"
    if wanted is None:
        raise BadData(f"{file.name} has {len(seen)} sheets: {shown}; set source.excel.sheet to one of them")
    raise BadData(
        f"{file.name} has no sheet {quote(wanted)}; {nearest(wanted, names)}it has: {shown}; correct "
        "source.excel.sheet"
    )


def _header(sheet: CalamineSheet, rows: Iterator[list[Any]], options: Excel, label: str) -> list[str]:
    """Return the names of the columns, and take the rows above and that of the header from `rows`."""
    first = (sheet.start or (0, 0))[0] + 1
    wanted, cells = options.header_row or 0, []
    for _ in range(wanted):  # they come with the empty rows above, but without the empty columns before
        cells = next(rows, [])
    if options.columns:
        if len(options.columns) != sheet.width:
            raise BadData(
                f"{label} has {sheet.width} columns, and source.excel.columns names {len(options.columns)}; "
                "name all columns of the sheet"
            )
        return list(options.columns)
    if not any(cell != EMPTY for cell in cells):
        raise BadData(
            f"{label}: row {wanted} is empty, and the first row with cells is row {first}; correct "
            "source.excel.header_row"
        )
    return [_text(cell) for cell in cells]


def _check(header: Sequence[str], options: Excel, label: str, required: str) -> None:
    """Raise BadData for a name that is there twice; it is quoted if the row is certainly a header."""
    if twice := sorted(name for name, times in Counter(filter(None, header)).items() if times > 1):
        shown = quote(twice[0]) if required in header else f"{len(twice)} column(s)"
        raise BadData(
            f"{label}: row {options.header_row} names {shown} twice; give each column a name of its own, or "
            "correct source.excel.header_row"
        )


def _text(cell: object) -> str:
    """Return the name in a cell of a header; a year is a number there."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _letters(number: int) -> str:
    """Return what a spreadsheet calls a column, counted from 0."""
    above, last = divmod(number, 26)
    return (_letters(above - 1) if above else "") + chr(ord("A") + last)
