"""Delta Lake tables, read at one version: the files of other days are skipped, as far as its log shows."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from include.contract.data import Source
from include.exceptions import BadData, FileMissing, Misconfigured, Transient, Unauthorized
from include.excerpt import quote

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_BATCH_ROWS = 50_000
_SESSION = {
    "datafusion.execution.batch_size": str(_BATCH_ROWS),
    "datafusion.execution.target_partitions": "1",  # else rows come in another order each time
}
_FEATURE = re.compile(r"Feature '(\w+)' is not supported|Unsupported table features required: \[([\w, ]+)\]")
_GONE = re.compile(r"Object at location .* not found|NoSuchKey|404 Not Found", re.DOTALL)
REFUSED = re.compile(
    r"40[13] (Forbidden|Unauthorized)|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|Permission denied"
)
"""What stores and file systems say of credentials that do not suffice."""
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([ T].*)?")
_ELSEWHERE = "set source.delta.version to one of these, or to null for the newest"


def is_table(uri: str) -> bool:
    """Return whether a path or URI is the folder of a table; what cannot be looked at is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    with suppress(DeltaError, OSError):
        return DeltaTable.is_deltatable(uri)
    return False


def newest_value(source: Source, folder: Path) -> pa.RecordBatch:
    """Return the greatest value of `source.partition_by`, as a batch of one row and one column."""
    import pyarrow as pa
    from deltalake import QueryBuilder

    table = _opened(source, folder, source.delta.version)
    with _failures(source):
        query = f"select max({_identifier(source.partition_by)}) as newest from source"  # noqa: S608 - quoted
        stream = QueryBuilder(_SESSION).register("source", table).execute(query)
        with pa.RecordBatchReader.from_stream(stream) as batches:
            return next(batch for batch in batches if batch.num_rows)


def newest_version(source: Source, folder: Path) -> int:
    """Return the version that a table has now; raises FileMissing, Misconfigured, BadData or Transient."""
    return int(_opened(source, folder, None).version())


def origin(source: Source) -> str:
    """Return what messages call the table at the version that is read."""
    version = source.delta.version
    return quote(source.uri) if version is None else f"{quote(source.uri)} at version {version}"


def read(source: Source, first: date, last: date, folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table that may belong to the days from `first` to `last`, in a fixed order.

    They come with others, and with those without a day: a caller cuts them. Without any row it is one batch
    of no rows with the columns. Raises FileMissing, Misconfigured, BadData or Transient.
    """
    import pyarrow as pa
    from deltalake import QueryBuilder

    table = _opened(source, folder, source.delta.version)
    rows = _where(table, source.partition_by, first, last)
    with _failures(source):
        stream = QueryBuilder(_SESSION).register("source", table).execute(f"select * from source{rows}")  # noqa: S608 - of our own
        with pa.RecordBatchReader.from_stream(stream) as batches:
            yield pa.RecordBatch.from_pylist([], schema=batches.schema)
            yield from (batch for batch in batches if batch.num_rows)


def _opened(source: Source, folder: Path, version: int | None) -> DeltaTable:
    """Return the table at a version; None is the newest."""
    from deltalake import DeltaTable

    uri = str(source.uri)
    path = uri if "://" in uri else str(folder / uri)
    with _failures(source):
        if "://" not in uri and not Path(path).is_dir():
            what = "is a file, not the folder of a table" if Path(path).exists() else "does not exist"
            raise FileMissing(f"{quote(uri)} {what}; provide it, or correct source.uri")
        try:
            return DeltaTable(path, version=version)
        except Exception as error:
            if version is not None and (span := _versions(path)) and version not in range(*span):
                raise Misconfigured(
                    f"{quote(uri)} has no version {version}: it has {span[0]} … {span[1] - 1}; {_ELSEWHERE}"
                ) from None
            raise error


def _versions(path: str) -> tuple[int, int] | None:
    """Return the first version that can be read, and the one after the last; None if there is no table."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    def is_readable(version: int) -> bool:
        with suppress(DeltaError):
            DeltaTable(path, version=version)
            return True
        return False

    with suppress(DeltaError, OSError):
        newest = DeltaTable(path).version()
        return bisect_left(range(newest), True, key=is_readable), newest + 1
    return None


def _where(table: DeltaTable, column: str, first: date, last: date) -> str:
    """Return the condition that skips other days, with a day to spare on each side for time zones.

    Text is compared as text, so it is a condition only where each value, known from the names of folders, is
    a day.
    """
    import pyarrow as pa

    schema = pa.schema(table.schema().to_arrow())
    if column not in schema.names:
        return ""
    kind, name = schema.field(column).type, _identifier(column)
    if pa.types.is_string(kind):
        if column not in table.metadata().partition_columns:
            return ""
        values = (value[column] for value in table.partitions())
        if not all(value is None or _ISO_DAY.fullmatch(value) for value in values):
            return ""
    elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return ""
    start, end = first - timedelta(days=1), last + timedelta(days=2)
    return f" where {name} >= '{start}' and {name} < '{end}' or {name} is null"


def _identifier(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


@contextmanager
def _failures(source: Source) -> Iterator[None]:
    """Raise what goes wrong with a table as an error of ours; a text of the library's may quote rows."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        yield
    except TableNotFoundError as error:
        if "Unknown scheme" in str(error):
            raise Misconfigured(
                f"source.uri {quote(source.uri)} has a scheme that deltalake does not know; correct it"
            ) from None
        raise Misconfigured(
            f"{quote(source.uri)} is not a Delta Lake table: it has no log in a folder '_delta_log'; correct "
            "source.uri or source.reader"
        ) from None
    except (DeltaError, OSError, pa.ArrowException) as error:
        _raise(source, str(error), is_remote=isinstance(error, OSError) and "://" in str(source.uri))


def _raise(source: Source, text: str, *, is_remote: bool) -> NoReturn:
    name = origin(source)
    if found := _FEATURE.search(text):
        raise BadData(
            f"{name} needs {quote(found[1] or found[2])}, a feature of Delta Lake that deltalake cannot "
            "read; provide a table without it, or read it in a function of source.py"
        ) from None
    if _GONE.search(text):
        raise BadData(
            f"{name} lacks a file that its log names: VACUUM has removed it, or somebody else; set "
            "source.delta.version to a later one, or restore the file"
        ) from None
    if REFUSED.search(text):
        raise Unauthorized(
            f"{name} may not be read by this user; correct its permissions, or the credentials"
        ) from None
    if is_remote:
        raise Transient(f"{name} cannot be read now: its storage does not answer") from None
    raise BadData(
        f"{name} cannot be read: its log or one of its files is damaged, or has a form that deltalake does "
        "not know; provide the table again, or read another version"
    ) from None
