"""Workbooks of Excel and LibreOffice: the cells of one sheet as columns with types.

A cell has a type of its own, and a column has none: it gets the one that fits all of its cells. Whole numbers
become integers, dates time stamps; what is empty, or an error such as `#N/A`, is a missing value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from include.contract.data import Source
from include.exceptions import BadData
from include.excerpt import quote
from include.floats import MAX_EXACT
from include.ingestion.files import SourceFile
from include.ingestion.unified import Misfit, unified
from include.ingestion.workbook import EMPTY, Sheet, sheet_of

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 20_000
_NUMBER, _DATE = "number(s)", "date(s)"
_KINDS: dict[type, str] = {
    bool: "truth value(s)",
    int: _NUMBER,
    float: _NUMBER,
    str: "text(s)",
    date: _DATE,
    datetime: _DATE,
    time: "time(s) of day",
    timedelta: "duration(s)",
}


def read(source: Source, files: Sequence[SourceFile]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of workbooks that belong together, each batch with the name of its file.

    Raises BadData for a file that is not a workbook, a sheet that cannot be chosen, and mixed columns.
    """
    headers: set[str] = set()
    try:
        yield from unified(
            ((file.name, batch) for file in files for batch in _batches(source, file, headers)), fills=False
        )
    except Misfit as misfit:
        column = f"column {quote(misfit.column)}" if source.partition_by in headers else "a column"
        raise BadData(
            f"{files[0].name} … {files[-1].name}: {column} has no type that fits all {len(files)} file(s); "
            "give it one type"
        ) from None


def _batches(source: Source, file: SourceFile, headers: set[str]) -> Iterator[pa.RecordBatch]:
    """Yield a workbook's rows, and add the names of its columns to `headers`."""
    with sheet_of(file, source.excel, source.partition_by) as sheet:
        headers.update(sheet.columns)
        columns = [_Column(name) for name in sheet.columns]
        filled = (row for row in sheet.rows if any(cell != EMPTY for cell in row))
        yield _batch(columns, [])
        while lines := list(islice(filled, _BATCH_ROWS)):
            yield _batch(columns, lines)
        _refuse(columns, sheet, is_header=source.partition_by in sheet.columns)


def _batch(columns: Sequence[_Column], lines: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Return rows, without columns that have no name."""
    import pyarrow as pa

    cells = zip(*lines, strict=True) if lines else ((),) * len(columns)
    taken = [(column.name, column.take(values)) for column, values in zip(columns, cells, strict=True)]
    return pa.RecordBatch.from_pydict({name: array for name, array in taken if name})


def _refuse(columns: Sequence[_Column], sheet: Sheet, *, is_header: bool) -> None:
    """Raise BadData for values below no name, and for a column of several types.

    What may be no header has values for names, which are not quoted.
    """
    for column, letters in zip(columns, sheet.letters, strict=True):
        if not column.name and (values := column.kinds.total()):
            raise BadData(
                f"{sheet.name}: column {letters} has {values} value(s) and no name; give each column one (of "
                "merged cells only the first has it), or set source.excel.header_row to the row of the names"
            )
    for column, letters in zip(columns, sheet.letters, strict=True):
        if len(column.kinds) > 1:
            name = quote(column.name) if is_header else letters
            counts = " and ".join(f"{count} {kind}" for kind, count in column.kinds.most_common())
            raise BadData(f"{sheet.name}: column {name} holds {counts}; give it one type")


class _Column:
    """A column of a sheet: what its cells are, counted while they are taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds: Counter[str] = Counter()

    def take(self, cells: Sequence[Any]) -> pa.Array:
        """Return the next cells as an array; without any value once the column is known to be mixed."""
        import pyarrow as pa

        for found, count in Counter(map(type, cells)).items():
            self.kinds[_KINDS[found]] += count
        if empty := cells.count(EMPTY):
            self.kinds.subtract({_KINDS[str]: empty})
            self.kinds = +self.kinds
        if len(self.kinds) != 1:
            return pa.nulls(len(cells))
        [kind] = self.kinds
        return _array([None if cell == EMPTY else cell for cell in cells], kind)


def _array(values: Sequence[Any], kind: str) -> pa.Array:
    """Return values of one kind, None among them, as an array."""
    import pyarrow as pa

    if not any(value is not None for value in values):
        return pa.nulls(len(values))
    if kind == _DATE:
        moments = [datetime.combine(value, time()) if type(value) is date else value for value in values]
        return pa.array(moments, pa.timestamp("us"))
    return _numbers(values) if kind == _NUMBER else pa.array(values)


def _numbers(values: Sequence[float | None]) -> pa.Array:
    """Return numbers as integers if all are whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pa.array(values, pa.float64())
    is_whole = pc.and_(pc.equal(pc.trunc(numbers), numbers), pc.less_equal(pc.abs(numbers), MAX_EXACT))
    return numbers.cast(pa.int64()) if pc.all(is_whole).as_py() else numbers
