"""The log of a Delta Lake table that follows a table of the lake: what it holds, and its next version.

A version is one put of one file of the log that must not be there yet, so a version is there whole or not at
all. Each names the commit of the lake whose rows it holds; nothing else is remembered anywhere.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from include.contract.exports import DAY
from include.exceptions import BadData, MillraceError, Misconfigured, Transient, Unauthorized
from include.excerpt import quote
from include.exports.delta_types import delta_type
from include.ingestion.delta import REFUSED

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

_PREFIX = "millrace."
"""Of the keys that a version carries in its log."""
COMMIT = f"{_PREFIX}commit"
_OWNER = tuple(f"{_PREFIX}{name}" for name in ("repository", "branch", "table"))
_UPKEEP = frozenset({"OPTIMIZE", "VACUUM START", "VACUUM END", "ADD FEATURE"})
"""Operations that change no row: anybody may run the first three, and `write` the last."""
_OWN_FILE = re.compile(rf"{DAY}=\d{{4}}-\d\d-\d\d(/millrace-[0-9a-f]{{32}}\.parquet)?")
_FIRST_LOOK = 10
"""Versions whose log is read before all are: the newest is nearly always one of ours."""
ANEW = "export to a folder that is empty: it begins with the newest commit"
"""What to do where a table cannot go on."""


class Overtaken(Exception):
    """Somebody else has written a version since the table was looked at."""


@dataclass(frozen=True)
class DeltaLog:
    """A folder with the Delta Lake table of a table of the lake, which its `owner` names, or without any yet.

    `table` is at the version that was the newest when it was looked at.
    """

    uri: str
    owner: tuple[str, str, str]
    table: DeltaTable | None = field(repr=False)

    @classmethod
    def open(cls, uri: str, owner: tuple[str, str, str]) -> DeltaLog:
        """Look at a folder; `owner` has repository, branch and table of the lake.

        Raises Misconfigured if it holds something else, Unauthorized or Transient if it cannot be read.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        with failures(uri):
            _make_folder(uri)
            try:
                return cls(uri, owner, DeltaTable(uri))
            except TableNotFoundError:
                found = cls(uri, owner, None)
                found._check_empty()
                return found

    @property
    def version(self) -> int | None:
        """The newest version; None without a table."""
        return None if self.table is None else int(self.table.version())

    @property
    def files(self) -> pafs.FileSystem:
        """The folder, as Arrow writes to it."""
        import pyarrow.fs as pafs
        from deltalake.fs import DeltaStorageHandler

        return pafs.PyFileSystem(DeltaStorageHandler(self.uri))

    def types(self) -> dict[str, pa.DataType]:
        """Return the types of the columns beside the day of the partition."""
        import pyarrow as pa

        if self.table is None:
            return {}
        schema = pa.schema(self.table.schema().to_arrow())
        return {one.name: delta_type(one.type) or one.type for one in schema if one.name != DAY}

    def commit(self) -> str | None:
        """Return the commit of the lake whose rows the newest version holds; None without a table.

        Raises Misconfigured if that version, but for upkeep that changes no row, is not of this export.
        """
        if self.table is None:
            return None
        for entry in self._history():
            if (commit := entry.get(COMMIT)) is not None:
                self._check_owner(tuple(str(entry.get(name)) for name in _OWNER))
                return str(commit)
            if entry.get("operation") not in _UPKEEP:
                raise Misconfigured(
                    f"version {entry.get('version')} of {quote(self.uri)} was written by somebody else "
                    f"({quote(entry.get('operation'))}), and nothing is overwritten; {ANEW}"
                )
        raise Misconfigured(
            f"the log of {quote(self.uri)} names no commit of the lake: somebody else made the table, or "
            f"what the last export logged was removed as expired; nothing is overwritten: {ANEW}"
        )

    def write(
        self,
        types: Mapping[str, pa.DataType],
        added: Sequence[AddAction],
        *,
        replaced: Sequence[date] | None,
        metadata: Mapping[str, str],
    ) -> None:
        """Make the next version: files take the place of those of some days, or of all.

        `metadata` names the commit. Raises Overtaken if there is another version by now, also if that is this
        one, whose answer got lost.
        """
        import pyarrow as pa
        from deltalake import CommitProperties, Schema
        from deltalake.transaction import create_table_with_add_actions

        schema = Schema.from_arrow(pa.schema({DAY: pa.date32(), **types}))
        properties = CommitProperties(  # no retries: whatever came between has to be looked at first
            custom_metadata=self._named(metadata), max_commit_retries=0
        )
        with failures(self.uri), self._overtaken():
            if self.table is None:
                create_table_with_add_actions(
                    self.uri,
                    schema,
                    list(added),
                    partition_by=[DAY],
                    name=self.owner[2],
                    commit_properties=properties,
                )
                return
            if any(map(_has_local_times, types.values())):
                self._allow_local_times()
            days = None if replaced is None else [(DAY, "in", [str(day) for day in replaced])]
            self.table.create_write_transaction(
                list(added), "overwrite", schema, [DAY], days, commit_properties=properties
            )

    def _named(self, metadata: Mapping[str, str]) -> dict[str, str]:
        repository, _, table = self.owner
        named = {f"{_PREFIX}{name}": value for name, value in metadata.items()}
        # The key that Delta's own documentation names for what users add to a commit.
        shown = {"userMetadata": f"lakefs://{repository}/{metadata['commit']}/{table}/"}
        return {**named, **dict(zip(_OWNER, self.owner, strict=True)), **shown}

    def _allow_local_times(self) -> None:
        """Switch on what a table needs for times without a zone, in a version of its own."""
        from deltalake import CommitProperties, TableFeatures

        if self.table is not None and "timestampNtz" not in (self.table.protocol().writer_features or ()):
            self.table.alter.add_feature(
                TableFeatures.TimestampWithoutTimezone,
                allow_protocol_versions_increase=True,
                commit_properties=CommitProperties(max_commit_retries=0),
            )

    @contextmanager
    def _overtaken(self) -> Iterator[None]:
        """Raise Overtaken for any failure beside which there is a new version.

        A store may have made the version although its answer was lost, and no error is documented to mean
        another writer; the log itself shows it.
        """
        try:
            yield
        except Exception as error:
            if self._has_moved():
                raise Overtaken from error
            raise

    def _has_moved(self) -> bool:
        """Return whether there is another version than the one that was looked at, as far as can be seen."""
        from deltalake import DeltaTable

        with suppress(Exception):
            return int(DeltaTable(self.uri).version()) != self.version
        return False

    def _history(self) -> Iterator[dict[str, Any]]:
        """Yield what the log says of each version that it still has, from the newest on."""
        if self.table is None:
            return
        with failures(self.uri):
            newest = self.table.history(_FIRST_LOOK)
        yield from newest
        if len(newest) == _FIRST_LOOK:
            with failures(self.uri):
                older = self.table.history()[_FIRST_LOOK:]
            yield from older

    def _check_owner(self, found: tuple[str, ...]) -> None:
        if found != self.owner:
            theirs, ours = (
                f"{table!r} on {branch!r} of {repository!r}"
                for repository, branch, table in (found, self.owner)
            )
            raise Misconfigured(
                f"{quote(self.uri)} is the export of table {theirs}, not {ours}; name another folder in "
                "exports.delta.uri"
            )

    def _check_empty(self) -> None:
        """Raise Misconfigured for a folder that holds more than what tries that were killed have left."""
        import pyarrow.fs as pafs

        for info in self.files.get_file_info(pafs.FileSelector("", recursive=True, allow_not_found=True)):
            if not _OWN_FILE.fullmatch(info.path.strip("/")):
                raise Misconfigured(
                    f"{quote(self.uri)} is not a Delta Lake table, and not empty: {quote(info.path)} is in "
                    "it; name an empty folder in exports.delta.uri"
                )


def _has_local_times(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return kind.tz is None
    return any(_has_local_times(kind.field(number).type) for number in range(kind.num_fields))


def _make_folder(uri: str) -> None:
    """Create a local folder in one that is there: where that is missing, a disk may not be mounted."""
    if uri.startswith("file://"):
        path = Path(unquote(urlsplit(uri).path))
        if not path.parent.is_dir():
            raise Misconfigured(
                f"{quote(uri)} cannot be created: there is no folder {quote(str(path.parent))}; create it, "
                "or correct exports.delta.uri"
            )
        if path.exists() and not path.is_dir():
            raise Misconfigured(f"{quote(uri)} is a file, not a folder; correct exports.delta.uri")
        path.mkdir(exist_ok=True)


@contextmanager
def failures(uri: str) -> Iterator[None]:
    """Raise what goes wrong with a folder as an error of ours; a text of the library's may quote values."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (MillraceError, Overtaken):
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        _raise(uri, error)


def _raise(uri: str, error: Exception) -> NoReturn:
    text, is_local = str(error), uri.startswith("file://")
    if isinstance(error, PermissionError) or REFUSED.search(text) or "Read-only file system" in text:
        raise Unauthorized(
            f"{quote(uri)} may not be written or read by this user, or is not there; correct its "
            "permissions, the credentials or exports.delta.uri"
        ) from None
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in text:
        raise Transient(f"the disk of {quote(uri)} is full; free some space") from None
    if isinstance(error, OSError) and not is_local:
        raise Transient(f"{quote(uri)} cannot be written now: its storage does not answer") from None
    raise BadData(
        f"{quote(uri)} cannot be written: its log is damaged, or has a form that deltalake does not know; "
        f"{ANEW}"
    ) from None
