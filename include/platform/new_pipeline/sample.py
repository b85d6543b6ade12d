"""The sample: the first rows of some files, with a type for every column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING, Any

from include.contract.data import Reader, Source
from include.contract.day_path import day_column, day_in
from include.contract.dialect import UTF_8
from include.exceptions import BadData
from include.excerpt import quote
from include.ingestion.arrow_types import plain
from include.ingestion.files import SourceFile, first_line, opened, opened_text
from include.ingestion.readers import read_files
from include.ingestion.text_values import TextForm, null_words
from include.platform.new_pipeline.columns import Column, Type, column_of_text, column_of_values
from include.platform.new_pipeline.origin import Origin
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.sniff import Dialect, encoding_of, names_in, sniff

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 32 * 2**20
"""Of text, over all files that are looked into."""
SAMPLE_ROWS = 500_000
_SAMPLE_CELLS = 10_000_000
_HEAD = 2**20
"""The bytes in which a header is looked for."""
_MAX_FILES = 12
"""Files that are looked into: the first, the last, and some between."""


_Counts = list[tuple[SourceFile, int]]
_Read = tuple[tuple[Column, ...], float, Dialect | None, _Counts]
"""Columns, the share of the data that was read, the dialect of CSV, and the rows of each file."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The columns of the sampled rows; `share` is the part of the data that was read, about.

    `dialect` is that of CSV files. Of a source that is read by days, `days` are those that were read,
    `earliest` is the first that would have been, and a day of too many rows leaves it without whole days.
    """

    columns: tuple[Column, ...]
    rows: int
    share: float
    dialect: Dialect | None
    reasons: tuple[Reason, ...]
    days: tuple[date, date] | None = None
    earliest: date | None = None
    has_whole_days: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether every row was read."""
        return self.share == 1


def read_sample(origin: Origin, time: str | None = None) -> Sample:
    """Return a sample of the origin's rows; raises BadData if it has none, or is not a table.

    `time` is the name of the time column, where it is known.
    """
    files = _some(origin.files)
    columns, share, dialect, counts = _READ[origin.reader](files, origin)
    columns = _with_day(columns, origin, counts, time)
    rows = columns[0].rows if columns else 0
    if not rows:
        raise BadData(f"{files[0].name} has a header and no rows; provide rows")
    where = f"{rows:,} rows, {len(columns):,} columns"
    why = "every row was read" if share == 1 else f"about {share:.0%} of the data; the rest may differ"
    if len(files) < len(origin.files):
        why = f"{len(files)} of {len(origin.files):,} files were looked into; the rest may differ"
    reasons = (Reason("sample", where, why), *(dialect.reasons if dialect else ()))
    return Sample(columns=columns, rows=rows, share=share, dialect=dialect, reasons=reasons)


def _with_day(
    columns: tuple[Column, ...], origin: Origin, counts: _Counts, time: str | None
) -> tuple[Column, ...]:
    """Return the columns, and the day of the path where it is the only time, or the one that is wanted."""
    import pyarrow as pa

    name = day_column(origin.uri)
    if name is None or any(one.name == name for one in columns):
        return columns
    if name != time and any(one.type.is_time for one in columns):
        return columns
    days = [pa.repeat(pa.scalar(day_in(origin.uri, file.path), pa.date32()), rows) for file, rows in counts]
    return (*columns, Column(name=name, type=Type.DATE, values=pa.chunked_array(days, pa.date32())))


def _some(files: tuple[SourceFile, ...]) -> list[SourceFile]:
    """Return the first and the last file, and some between."""
    if len(files) <= _MAX_FILES:
        return list(files)
    step = (len(files) - 1) / (_MAX_FILES - 1)
    return [files[round(number * step)] for number in range(_MAX_FILES)]


def _read_csv(files: list[SourceFile], origin: Origin) -> _Read:
    import pyarrow as pa

    dialect: Dialect | None = None
    tables, wholes, stored = [], [], 0
    counts: _Counts = []
    for file in files:
        raw, is_whole = _beginning(file, SAMPLE_BYTES // len(files))
        if dialect is None:
            encoding, reason = encoding_of(raw, file.name, is_whole=is_whole)
            dialect = sniff(_decoded(raw, encoding, file), reason, file.name)
        text = _decoded(raw, dialect.encoding, file)
        own = replace(dialect, names=names_in(text, dialect, file.name)) if dialect.has_header else dialect
        if own.names or not is_whole:  # else it is blank
            tables.append(_table(text, own, file, is_whole=is_whole))
            counts.append((file, tables[-1].num_rows))
        wholes.append(is_whole)
        stored += len(raw)
    if dialect is None:  # not reached: `find` refuses a path without files
        raise BadData(f"{quote(origin.uri)} names no file; provide one")
    table = pa.concat_tables(tables, promote_options="default")
    is_all = all(wholes) and len(files) == len(origin.files)
    share = 1.0 if is_all else min(0.99, stored / max(origin.size, 1))
    form = TextForm(dialect.decimal, dialect.thousands, null_words=null_words())
    columns = tuple(column_of_text(name, table.column(name), form) for name in table.column_names)
    return columns, share, dialect, counts


def header_of(file: SourceFile, dialect: Dialect) -> tuple[str, ...]:
    """Return the names of the columns of a CSV file."""
    raw, _ = _beginning(file, _HEAD)
    return names_in(_decoded(raw, dialect.encoding, file), dialect, file.name) if dialect.has_header else ()


def _beginning(file: SourceFile, size: int) -> tuple[bytes, bool]:
    """Return a file's first bytes, decompressed, and whether these are all."""
    with opened_text(file) as content:
        parts, left = [], size + 1
        while left > 0 and (part := content.read(left)):
            parts.append(part)
            left -= len(part)
    raw = b"".join(parts)
    return raw[:size], len(raw) <= size


def _decoded(raw: bytes, encoding: str, file: SourceFile) -> str:
    try:
        return raw.decode("utf-8-sig" if encoding == UTF_8 else encoding, errors="ignore")
    except UnicodeError:
        raise BadData(f"{file.name} is not {quote(encoding)} as the first file; convert it") from None


def _table(text: str, dialect: Dialect, file: SourceFile, *, is_whole: bool) -> pa.Table:
    """Return the rows of a text, every cell as text."""
    import pyarrow as pa
    from pyarrow import csv

    odd: list[Any] = []

    def skip(row: Any) -> str:
        odd.append(row)
        return "skip"

    body = text if is_whole else _to_last_row(text, dialect)
    skipped = dialect.skip_lines + dialect.has_header
    if _lines(body, skipped):
        return pa.table({name: pa.array([], pa.string()) for name in dialect.names})
    try:
        table = csv.read_csv(
            pa.py_buffer(body.encode()),
            read_options=csv.ReadOptions(column_names=dialect.names, skip_rows=skipped, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                escape_char=dialect.escape or False,
                newlines_in_values=True,
                invalid_row_handler=skip,
            ),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(dialect.names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise BadData(f"{file.name} cannot be read: {first_line(error)}; provide the file again") from None
    _refuse(odd, dialect, file)
    return table.slice(0, min(SAMPLE_ROWS, _SAMPLE_CELLS // len(dialect.names)))


def _lines(body: str, skipped: int) -> bool:
    """Return whether a text ends with its header."""
    return not any(line.strip() for line in body.splitlines()[skipped : skipped + 1000])


def _refuse(odd: list[Any], dialect: Dialect, file: SourceFile) -> None:
    """Raise BadData for lines that Arrow could not read as rows, as no later step can either."""
    if not odd:
        return
    if comments := sum(row.text.startswith("#") for row in odd):
        raise BadData(
            f"{file.name}: {comments} line(s) between the rows are comments, beginning with '#'; take them "
            "out, for instance by grep -v '^#'"
        )
    number = f" (the first is row {odd[0].number})" if odd[0].number else ""
    raise BadData(
        f"{file.name}: {len(odd)} line(s) have another number of cells than the {len(dialect.names)} of the "
        f"header{number}; correct them"
    )


def _to_last_row(text: str, dialect: Dialect) -> str:
    """Return a text up to the end of its last whole row."""
    mark, end = dialect.quote, text.rfind("\n")
    open_quotes = text.count(mark, 0, end) % 2 if mark and end > 0 else 0
    while open_quotes and end > 0:
        before = text.rfind("\n", 0, end)
        open_quotes = (open_quotes + text.count(str(mark), max(before, 0), end)) % 2
        end = before
    return text[: end + 1] if end > 0 else text


def _read_parquet(files: list[SourceFile], origin: Origin) -> _Read:
    import pyarrow.parquet as pq

    batches: list[pa.RecordBatch] = []
    counts: _Counts = []
    total = 0
    for file in files:
        with opened(file) as content:
            found = pq.ParquetFile(content, coerce_int96_timestamp_unit="us")
            total += found.metadata.num_rows
            rows = _rows_of_a_file(found.metadata.num_columns, files)
            own = list(_first(found.iter_batches(batch_size=min(65_536, rows)), rows, file.name))
            batches += own
            counts.append((file, sum(map(len, own))))
    table = together(batches, files[0].name)
    share = table.num_rows / total * len(files) / len(origin.files)
    return columns_of(table), share, None, counts


def _read_rows(files: list[SourceFile], origin: Origin) -> _Read:
    """Read files whose number of rows is only known at their end."""
    source = Source(reader=origin.reader, uri=origin.uri, partition_by="-")
    batches: list[pa.RecordBatch] = []
    counts: _Counts = []
    is_all = len(files) == len(origin.files)
    for file in files:
        found = (batch for _, batch in read_files(source, [file]))
        first = next(found, None)
        if first is not None:
            rows = _rows_of_a_file(first.num_columns, files)
            own = list(_first(chain([first], found), rows, file.name))
            batches += own
            counts.append((file, sum(map(len, own))))
            is_all = is_all and next(found, None) is None and sum(map(len, batches)) < rows
    table = together(batches, files[0].name)
    return columns_of(table), 1.0 if is_all else min(0.99, len(files) / len(origin.files)), None, counts


def _rows_of_a_file(columns: int, files: list[SourceFile]) -> int:
    return max(1, most_rows(columns) // len(files))


def most_rows(columns: int) -> int:
    """Return how many rows of so many columns a sample has at most."""
    return max(1, min(SAMPLE_ROWS, _SAMPLE_CELLS // max(columns, 1)))


def _first(batches: Iterable[pa.RecordBatch], rows: int, name: str) -> Iterator[pa.RecordBatch]:
    """Yield the first rows of a file."""
    for batch in batches:
        yield plain(batch.slice(0, rows), name)
        rows -= len(batch)
        if rows <= 0:
            return


def together(batches: list[pa.RecordBatch], name: str) -> pa.Table:
    """Return the rows of batches as one table; raises BadData if there are none, or types differ."""
    import pyarrow as pa

    if not any(map(len, batches)):
        raise BadData(f"{name} has no rows; provide rows")
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowInvalid:
        raise BadData(
            f"{name}: columns have other types in other rows; give each column one type in all of them"
        ) from None


def columns_of(table: pa.Table) -> tuple[Column, ...]:
    """Return the columns of a table, each with its type in the contract."""
    return tuple(column_of_values(name, table.column(name)) for name in table.column_names)


_READ: Mapping[Reader, Callable[[list[SourceFile], Origin], _Read]] = {
    Reader.CSV: _read_csv,
    Reader.PARQUET: _read_parquet,
    Reader.JSONL: _read_rows,
    Reader.EXCEL: _read_rows,
}
