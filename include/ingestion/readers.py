"""Readers of sources: CSV and Parquet files, SQL queries, Python functions.

Each yields record batches with the name of their origin. Failures become one of `include.exceptions`,
without the values that Arrow and databases quote in their messages; the cause is cut off (`from None`)
where it may quote one, as logs show causes too.
"""

from __future__ import annotations

import importlib
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from include.contract.data import Reader, Source
from include.contract.own_code import own_code
from include.exceptions import BadData, Misconfigured, Transient
from include.ingestion import sql

if TYPE_CHECKING:
    import pyarrow as pa


class SourceBatch(NamedTuple):
    """A batch with its origin, and the days that were requested."""

    origin: str
    first: date
    last: date
    batch: pa.RecordBatch


def read(
    source: Source, first: date, last: date, *, folder: Path, sql_url: str | None
) -> Iterator[SourceBatch]:
    """Yield the rows of a source from `first` to `last`, in one pass; a file without `{dt}` is read whole.

    Raises BadData, Misconfigured or Transient.
    """
    if source.reader is Reader.PYTHON:
        for batch in _python(source, first, last, folder):
            yield SourceBatch(str(source.callable), first, last, batch)
    elif source.reader is Reader.SQL:
        for batch in sql.read(source, first, last, sql_url):
            yield SourceBatch("source.query", first, last, batch)
    else:
        rows_of = _csv if source.reader is Reader.CSV else _parquet
        for uri, start, end in _files(str(source.uri), first, last):
            for batch in rows_of(uri, folder):
                yield SourceBatch(_shown(uri), start, end, batch)


def holds_other_days(source: Source) -> bool:
    """Return whether a source may hold more days than were requested, as a file of the whole history does."""
    return source.reader in (Reader.CSV, Reader.PARQUET) and "{dt}" not in str(source.uri)


def misfits(values: pa.Array, *kinds: pa.DataType) -> int:
    """Return how many values cannot be cast to these types, one after the other; found by halving."""
    import pyarrow as pa

    try:
        reduce(pa.Array.cast, kinds, values)
    except pa.ArrowInvalid:
        half = len(values) // 2
        return misfits(values[:half], *kinds) + misfits(values[half:], *kinds) if half else 1
    return 0


def _files(uri: str, first: date, last: date) -> Iterator[tuple[str, date, date]]:
    if "{dt}" not in uri:
        yield uri, first, last
        return
    while first <= last:
        yield uri.replace("{dt}", str(first)), first, first
        first += timedelta(days=1)


@contextmanager
def _opened(uri: str, folder: Path) -> Iterator[Any]:
    """Open a file of any file system that Arrow supports; a plain path is relative to `folder`."""
    import pyarrow as pa
    from pyarrow import fs

    name, local = _shown(uri), fs.LocalFileSystem()
    try:
        system, path = fs.FileSystem.from_uri(uri) if "://" in uri else (local, str(folder / uri))
    except pa.ArrowInvalid as error:
        raise Misconfigured(f"source.uri {name} cannot be opened: {_first_line(error)}; correct it") from None
    try:
        with system.open_input_file(path) as file:
            if file.size() == 0:
                raise BadData(f"{name} is empty: 0 bytes; provide the file again")
            yield file
    except FileNotFoundError:
        raise BadData(f"{name} does not exist; provide it, or correct source.uri") from None
    except PermissionError:
        raise Misconfigured(f"{name} may not be read by this user; correct its permissions") from None
    except UnicodeDecodeError:
        raise BadData(f"{name}: the names of the columns are not UTF-8; convert the file") from None
    except pa.ArrowInvalid as error:
        raise BadData(f"{name} cannot be read: {_first_line(error)}; provide the file again") from None
    except OSError as error:  # without a number it is Arrow's own: the content is damaged
        if system == local and error.errno is None:
            raise BadData(f"{name} cannot be read: {_first_line(error)}; provide the file again") from None
        raise Transient(f"{name} cannot be read now: {_first_line(error)}") from None


def _csv(uri: str, folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a CSV file.

    Types are inferred from the first block; later values that do not fit are counted in the error.
    """
    import pyarrow as pa
    from pyarrow import csv

    schema = pa.schema([])
    with _opened(uri, folder) as file:
        if file.read(2) in (BOM_UTF16_BE, BOM_UTF16_LE):
            raise BadData(f"{_shown(uri)} is UTF-16, not UTF-8; convert the file")
        file.seek(0)
        try:
            with csv.open_csv(file) as reader:
                schema = reader.schema
                if (odd := _undecoded(schema)) is not None:
                    raise BadData(_csv_misfits(uri, folder, odd, pa.string()))
                yield from (batch for batch in reader if batch.num_rows)
        except pa.ArrowInvalid as error:
            if found := _CONVERSION.match(str(error)):
                field = schema.field(int(found[1]))
                raise BadData(_csv_misfits(uri, folder, field.name, field.type)) from None
            raise


_CONVERSION = re.compile(r"In CSV column #(\d+): .*CSV conversion error")


def _undecoded(schema: pa.Schema) -> str | None:
    """Return the first column that Arrow left as bytes because it is not UTF-8."""
    import pyarrow as pa

    kinds = zip(schema.names, schema.types, strict=True)  # the names: that they are UTF-8 is checked too
    return next((name for name, kind in kinds if pa.types.is_binary(kind)), None)


def _csv_misfits(uri: str, folder: Path, column: str, kind: pa.DataType) -> str:
    """Return how many values of a column have another type; reads the file again, as bytes."""
    import pyarrow as pa
    from pyarrow import csv

    raw = csv.ConvertOptions(
        include_columns=[column], column_types={column: pa.binary()}, strings_can_be_null=True
    )
    rows = odd = 0
    with _opened(uri, folder) as file, csv.open_csv(file, convert_options=raw) as reader:
        for batch in reader:
            rows += batch.num_rows
            odd += misfits(batch.column(0), pa.string(), kind)
    count, where = odd or "some", f"{_shown(uri)}: column {column!r}"
    if pa.types.is_string(kind):
        return f"{where}: {count} of {rows} values are not UTF-8; convert the file"
    return f"{where}, inferred as {kind}, has {count} other values in {rows} rows; correct the file"


def _parquet(uri: str, folder: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with _opened(uri, folder) as file:
        yield from pq.ParquetFile(file).iter_batches()


def _python(source: Source, first: date, last: date, folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield what a function returns for the first and the last day: record batches."""
    import pyarrow as pa

    name, _, attribute = str(source.callable).partition(":")
    called, remedy = f"source.callable {source.callable!r}", "correct it, or install what it needs"
    with own_code(f"import of {called}", folder, kind=Misconfigured, remedy=remedy, sees_rows=False):
        function = getattr(importlib.import_module(name), attribute)
    for batch in _guarded(function, called, folder, first, last):
        if not isinstance(batch, pa.RecordBatch):
            raise Misconfigured(
                f"{called} yielded a {type(batch).__name__}; it must yield pyarrow.RecordBatch"
            )
        yield batch


def _guarded(
    function: Callable[[date, date], Iterable[Any]], called: str, folder: Path, *days: date
) -> Iterator[Any]:
    """Yield from a pipeline's own function; of its errors only class and line are kept."""
    code = getattr(function, "__code__", None)
    own = folder if code is None or Path(code.co_filename).is_relative_to(folder) else Path(code.co_filename)
    remedy = "correct it, or its source; raise include.exceptions.Transient for what passes by itself"
    with own_code(called, own, kind=BadData, remedy=remedy):
        given = function(*days)
    if not isinstance(given, Iterable):
        raise Misconfigured(f"{called} returned a {type(given).__name__}; it must yield pyarrow.RecordBatch")
    batches, end = iter(given), object()
    while True:
        with own_code(called, own, kind=BadData, remedy=remedy):
            batch = next(batches, end)
        if batch is end:
            return
        yield batch


def _shown(uri: str) -> str:
    """Return a URI for messages, without the credentials that it may hold."""
    return repr(re.sub(r"//[^/@]*@", "//***@", uri))


def _first_line(error: object) -> str:
    """Return an error's first line, without the row that Arrow quotes after a count of its columns."""
    line = (str(error).splitlines() or [""])[0]
    counted = re.match(r"CSV parse error: (Expected \d+ columns, got \d+)", line)
    return counted[1] if counted else line[:200].rstrip(".")
