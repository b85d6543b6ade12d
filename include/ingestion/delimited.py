"""CSV files, read as the section `source.csv` says; what does not fit is counted, and no value quoted."""

from __future__ import annotations

import logging
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from include.contract.data import Source
from include.contract.dialect import UTF_8, Csv
from include.exceptions import BadData
from include.excerpt import quote
from include.ingestion.files import SourceFile, first_line, opened_text
from include.ingestion.text_values import TextForm, has_leading_zeros, loses_digits
from include.ingestion.type_names import type_name
from include.lake.misfits import refusals

if TYPE_CHECKING:
    import pyarrow as pa

    from include.ingestion.columns import TableColumns

_CONVERSION = re.compile(r"In CSV column #(\d+): .*CSV conversion error")
_COUNT = re.compile(r"CSV parse error: Expected \d+ columns")
_WORDS = {"null_values", "true_values", "false_values", "time_formats"}
_DELIMITERS = ";\t|,"
_log = logging.getLogger(__name__)
_HEAD = 2**16
"""The characters in which a header is looked for, in bytes."""


def read(source: Source, file: SourceFile, columns: TableColumns | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a CSV file.

    Columns of known types come as text, for `TableColumns.apply`; of others the types are inferred from the
    first block in which a column has values, and later values that do not fit are counted in the error.
    """
    schema = _inferred_schema(source, file)
    texts = {field.name: guess for field in schema if (guess := _guess(field, source.csv, columns))}
    types = dict(zip(schema.names, schema.types, strict=True)) | dict.fromkeys(texts, _string())
    for batch in _batches(source, file, types):
        for number, name in enumerate(batch.schema.names):
            if guess := texts.get(name):
                values = guess.values(batch.column(number), source, file)
                batch = batch.set_column(number, name, values)
        yield batch


def _string() -> pa.DataType:
    import pyarrow as pa

    return pa.string()


def _inferred_schema(source: Source, file: SourceFile) -> pa.Schema:
    """Return the columns with the types by the first block in which each has values."""
    import pyarrow as pa

    with _opened(source, file) as content:
        try:
            with _reader(source.csv, content) as reader:
                schema = reader.schema
        except pa.ArrowInvalid as error:
            if _COUNT.match(str(error)):
                raise BadData(_other_number(source, file, error)) from None
            raise
        if fault := _fault(source, file, schema):
            raise BadData(fault)
        empty = [field.name for field in schema if pa.types.is_null(field.type)]
    if empty:
        late = _late_types(source, file, empty)
        return pa.schema({field.name: late.get(field.name, field.type) for field in schema})
    return schema


def _batches(source: Source, file: SourceFile, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Yield the batches with these types; columns without any value are null."""
    import pyarrow as pa

    form, kinds = TextForm.of(source.csv), list(types.items())
    with _opened(source, file) as content:
        try:
            with _reader(source.csv, content, column_types=dict(types)) as reader:
                for batch in reader:
                    if batch.num_rows:
                        yield _without_empty_text(batch, form)
        except pa.ArrowInvalid as error:
            if found := _CONVERSION.match(str(error)):
                raise BadData(_misfits(source, file, *kinds[int(found[1])])) from None
            if _COUNT.match(str(error)):
                raise BadData(_other_number(source, file, error)) from None
            raise


def _without_empty_text(batch: pa.RecordBatch, form: TextForm) -> pa.RecordBatch:
    """Return a batch in which what stands for a missing value is missing among text, too."""
    import pyarrow as pa

    for number, field in enumerate(batch.schema):
        if pa.types.is_string(field.type):
            batch = batch.set_column(number, field, form.without_missing(batch.column(number)))
    return batch


@dataclass
class _Guess:
    """What the text of a column is taken for: nothing but text, or a type, which may grow by later values."""

    name: str
    kind: pa.DataType
    form: TextForm
    is_decided: bool
    may_be_text: bool = False

    def values(self, cells: pa.Array, source: Source, file: SourceFile) -> pa.Array:
        """Return the values of the cells; raises BadData for those that would lose digits, or do not fit."""
        import pyarrow as pa

        if not self.is_decided and cells.null_count < len(cells):
            self.is_decided = True
            if self.may_be_text and self.form.parse(cells, self.kind).odd is not None:
                self.kind = pa.string()
            elif digits := self._lost(cells):
                _log.warning(
                    "%s: column %r is kept as text, as numbers would lose %s; write columns.%s of the "
                    "contract to say what it is",
                    file.name,
                    self.name,
                    digits,
                    self.name,
                )
                self.kind = pa.string()
        while True:
            found = self.form.parse(cells, self.kind)
            if found.odd is None and not (pa.types.is_floating(self.kind) and self._lost(cells)):
                return found.values
            if digits := self._lost(cells):
                raise BadData(
                    f"{file.name}: column {quote(self.name)} is {type_name(self.kind)} in the first rows, "
                    f"and numbers would lose {digits} of later ones; write columns.{self.name}: string into "
                    "the contract, or the type that it has"
                )
            if (wider := _wider(self.kind, cells, self.form)) is None:
                raise BadData(_misfits(source, file, self.name, self.kind))
            self.kind = wider

    def _lost(self, cells: pa.Array) -> str:
        """Return what a number would lose of these cells; empty for nothing."""
        import pyarrow as pa

        is_number = pa.types.is_integer(self.kind) or pa.types.is_floating(self.kind)
        if not (self.form.keeps_zeros and is_number):
            return ""
        if has_leading_zeros(cells):
            return "leading zeros"
        return "digits" if pa.types.is_floating(self.kind) and loses_digits(cells) else ""


def _wider(kind: pa.DataType, cells: pa.Array, form: TextForm) -> pa.DataType | None:
    """Return the type that has the values of another, and more; nanoseconds only for cells that need them."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        finer = pa.timestamp("ns", kind.tz)
        return finer if finer != kind and form.parse(cells, finer).odd is None else None
    return {pa.int64(): pa.float64(), pa.date32(): pa.timestamp("us")}.get(kind)


def _guess(field: pa.Field, dialect: Csv, columns: TableColumns | None) -> _Guess | None:
    """Return what a column is taken for; None if Arrow may read it as it has inferred it."""
    import pyarrow as pa

    name = field.name if columns is None else columns.name_of(field.name)
    form = TextForm.of(dialect)
    if columns is not None and columns.wanted(name) is not None:
        return _Guess(field.name, pa.string(), form, is_decided=True)
    learned = None if columns is None else columns.learned.get(name)
    kind = field.type if learned is None else learned
    if learned is None and pa.types.is_timestamp(kind):
        kind = pa.timestamp("us", kind.tz)
    is_read = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind)
    if not (is_read or pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None
    if learned is None and pa.types.is_string(kind) and dialect.thousands:
        return _Guess(field.name, pa.float64(), form, is_decided=False, may_be_text=True)
    if columns is not None and columns.is_measure(name):
        form = replace(form, keeps_zeros=False)
    return _Guess(field.name, kind, form, is_decided=learned is not None)


def _fault(source: Source, file: SourceFile, schema: pa.Schema) -> str | None:
    import pyarrow as pa

    # What else may keep the column away shows where every source is checked.
    if source.partition_by not in schema.names and (fault := _other_delimiter(source, file)):
        return fault
    if (odd := _undecoded(schema)) is not None:
        return _misfits(source, file, odd, pa.string())
    return None


def _late_types(source: Source, file: SourceFile, columns: list[str]) -> dict[str, pa.DataType]:
    """Return the types of columns by the first block in which each has values; reads the file up to there."""
    import pyarrow as pa

    raw: dict[str, Any] = {"include_columns": columns, "column_types": dict.fromkeys(columns, pa.binary())}
    found: dict[str, pa.DataType] = {}
    with (
        _opened(source, file) as content,
        _reader(source.csv, content, strings_can_be_null=True, **raw) as reader,
    ):
        for batch in reader:
            for name in (name for name in columns if name not in found):
                if len(values := batch.column(name).drop_null()):
                    found[name] = _inferred(values, source.csv)
            if len(found) == len(columns):
                break
    return found


def _inferred(values: pa.Array, dialect: Csv) -> pa.DataType:
    """Return the type that cells have in the eyes of Arrow, which infers types while it reads CSV only."""
    import pyarrow as pa
    from pyarrow import csv

    plain = Csv(**dialect.model_dump(include=_WORDS)).model_copy(update={"decimal": dialect.decimal})
    written = pa.BufferOutputStream()
    try:
        csv.write_csv(pa.table({"column": values.cast(pa.string())}), written)
        with _reader(plain, pa.BufferReader(written.getvalue())) as reader:
            return reader.schema.field(0).type
    except pa.ArrowInvalid:  # not UTF-8, which the reading counts, or line breaks
        return pa.string()


@contextmanager
def _opened(source: Source, file: SourceFile) -> Iterator[Any]:
    """Open a file, whose encoding may turn out to be another than the contract's."""
    encoding = source.csv.encoding
    try:
        with opened_text(file) as content:
            if encoding == UTF_8 and content.seekable():  # a compressed file is not; its names are refused
                if content.read(2) in (BOM_UTF16_BE, BOM_UTF16_LE):
                    raise BadData(f"{file.name} is UTF-16, not UTF-8; set source.csv.encoding to 'utf-16'")
                content.seek(0)
            yield content
    except UnicodeError:
        what = "the names of the columns are" if encoding == UTF_8 else "it is"
        raise BadData(
            f"{file.name}: {what} not {_shown_encoding(encoding)}; set source.csv.encoding, or convert the "
            "file"
        ) from None


def _reader(
    dialect: Csv, content: Any, *, on_uneven: Callable[[Any], str] | None = None, **convert: Any
) -> Any:
    from pyarrow import csv

    defaults = csv.ConvertOptions()
    return csv.open_csv(
        content,
        read_options=csv.ReadOptions(
            encoding="utf8" if dialect.encoding == UTF_8 else dialect.encoding,  # anything else is transcoded
            skip_rows=dialect.skip_lines,
            column_names=dialect.columns,
            use_threads=on_uneven is None,  # one thread alone counts rows
        ),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            escape_char=dialect.escape or False,
            invalid_row_handler=on_uneven,
        ),
        convert_options=csv.ConvertOptions(
            decimal_point=dialect.decimal,
            null_values=[*defaults.null_values, *dialect.null_values],
            true_values=[*defaults.true_values, *dialect.true_values],
            false_values=[*defaults.false_values, *dialect.false_values],
            timestamp_parsers=[csv.ISO8601, *dialect.time_formats] if dialect.time_formats else None,
            **convert,
        ),
    )


def _other_number(source: Source, file: SourceFile, error: pa.ArrowInvalid) -> str:
    """Return what to say of a row with another number of cells."""
    if fault := _other_delimiter(source, file):
        return fault
    row = _uneven_row(source, file)
    where = "" if row is None else f" in row {row}"
    remedy = "correct source.csv.columns, or the file" if source.csv.columns else "correct the file"
    return f"{file.name} cannot be read: {first_line(error)}{where}; {remedy}"


def _uneven_row(source: Source, file: SourceFile) -> int | None:
    """Return the first row with another number of cells, the header not counted; reads the file again."""
    import pyarrow as pa

    numbers: list[int] = []

    def note(row: Any) -> str:
        numbers.append(row.number)
        return "skip"

    # Values that do not fit their column are another fault.
    with (
        suppress(pa.ArrowInvalid),
        _opened(source, file) as content,
        _reader(source.csv, content, on_uneven=note) as reader,
    ):
        next((batch for batch in reader if numbers), None)
    before = source.csv.skip_lines + (source.csv.columns is None)
    return numbers[0] - before if numbers else None


def _other_delimiter(source: Source, file: SourceFile) -> str | None:
    """Return what to say if the header has plainly another delimiter; it is only counted, never quoted."""
    dialect, line = source.csv, _header(source, file)
    if (likely := _likely_delimiter(line, source)) is None:
        return None
    what = "the first line" if dialect.columns else "the header"
    return (
        f"{file.name}: {what} holds {quote(likely)} {line.count(likely)} times and "
        f"{quote(dialect.delimiter)} {line.count(dialect.delimiter) or 'no'} times; "
        f"set source.csv.delimiter to {quote(likely)}"
    )


def _header(source: Source, file: SourceFile) -> str:
    with _opened(source, file) as content:
        head = content.read(_HEAD).decode(source.csv.encoding, errors="replace")
    lines = head.splitlines()[source.csv.skip_lines :]
    return next(filter(None, lines), "")


def _likely_delimiter(line: str, source: Source) -> str | None:
    others = [mark for mark in _DELIMITERS if mark != source.csv.delimiter and mark in line]
    for mark in others:
        if source.partition_by in (cell.strip().strip(source.csv.quote or "") for cell in line.split(mark)):
            return mark
    return max(others, key=line.count) if others and source.csv.delimiter not in line else None


def _undecoded(schema: pa.Schema) -> str | None:
    """Return the first column that Arrow left as bytes because it is not UTF-8."""
    import pyarrow as pa

    kinds = zip(schema.names, schema.types, strict=True)  # the names: that they are UTF-8 is checked too
    return next((name for name, kind in kinds if pa.types.is_binary(kind)), None)


def _misfits(source: Source, file: SourceFile, column: str, kind: pa.DataType) -> str:
    """Return how many values of a column have another type; reads the file again, as bytes."""
    import pyarrow as pa

    raw: dict[str, Any] = {
        "include_columns": [column],
        "column_types": {column: pa.binary()},
        "strings_can_be_null": True,
    }
    form, rows, odd = TextForm.of(source.csv), 0, 0
    with _opened(source, file) as content, _reader(source.csv, content, **raw) as reader:
        for batch in reader:
            rows += batch.num_rows
            undecoded = refusals(batch.column(0), pa.string())
            cells = pa.compute.if_else(undecoded, None, batch.column(0)).cast(pa.string())
            others = form.parse(cells, kind).odd
            odd += undecoded.true_count + (0 if others is None else others.true_count)
    count, where = odd or "some", f"{file.name}: column {column!r}"
    if pa.types.is_string(kind):
        return (
            f"{where}: {count} of {rows} values are not UTF-8; set source.csv.encoding, or convert the file"
        )
    return (
        f"{where}, inferred as {type_name(kind)}, has {count} other values in {rows} rows; correct the file, "
        f"or say what it is under columns.{column} of the contract"
    )


def _shown_encoding(encoding: str) -> str:
    return "UTF-8" if encoding == UTF_8 else quote(encoding)
