"""Refs, commits, staging and ranges, in SQLite.

There is one writer at a time, with `synchronous=FULL`: a confirmed transaction survives a power cut. A
commit or a merge is one transaction, so nobody sees half of it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from include.platform.embedded.lakefs.errors import Corrupt
from include.platform.embedded.lakefs.listing import LAST
from include.platform.embedded.lakefs.schema import migrate
from include.platform.embedded.lakefs.tree import Entry, Span, decode, version_of

_CACHED_RANGES = 256
_STAGED_BATCH_ROWS = 1000
_REPOSITORY = "SELECT name, namespace, default_branch, created, read_only FROM repositories"
_Row = tuple[Any, ...]


@dataclass(frozen=True)
class Repository:
    """Properties of a repository; `created` in seconds since 1970."""

    name: str
    namespace: str
    default_branch: str
    created: int
    read_only: bool = False


@dataclass(frozen=True)
class CommitRecord:
    """A commit; `version` names its list of ranges, `generation` is one more than its parents' highest."""

    id: str
    version: str
    message: str
    created: int
    committer: str
    generation: int
    parents: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


class Database:
    """The server's SQLite file; safe to use from many threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._local = threading.local()
        self._writing = threading.RLock()
        migrate(self._connection)
        self.load_range = lru_cache(maxsize=_CACHED_RANGES)(self._load_range)
        self.load_version = lru_cache(maxsize=64)(self._load_version)

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._file, isolation_level=None, timeout=30)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            self._local.connection = connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block in a transaction, one at a time; the inner of two nested blocks joins the outer."""
        with self._writing:
            connection = self._connection
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Let the block read the state of one moment, regardless of concurrent commits."""
        connection = self._connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.rollback()

    # Repositories

    def repository(self, name: str) -> Repository | None:
        """Return a repository, None if there is none."""
        row = self._one(f"{_REPOSITORY} WHERE name = ?", name)
        return _repository(row) if row else None

    def repositories(self) -> list[Repository]:
        """Return all repositories, in the order of their names."""
        return [_repository(row) for row in self._all(f"{_REPOSITORY} ORDER BY name")]

    def add_repository(self, repository: Repository) -> None:
        """Insert a repository."""
        self._do(
            "INSERT INTO repositories (name, namespace, default_branch, created, read_only) "
            "VALUES (?, ?, ?, ?, ?)",
            *(repository.name, repository.namespace, repository.default_branch),
            *(repository.created, repository.read_only),
        )

    def remove_repository(self, name: str) -> None:
        """Delete a repository with everything that belongs to it."""
        with self.transaction():
            self._do("DELETE FROM repositories WHERE name = ?", name)
            for table in ("commits", "refs", "staging", "settings", "runs"):
                self._do(f"DELETE FROM {table} WHERE repository = ?", name)  # noqa: S608 - names from above

    def setting(self, repository: str, name: str) -> Any:
        """Return a setting of a repository, or None."""
        row = self._one("SELECT value FROM settings WHERE repository = ? AND name = ?", repository, name)
        return json.loads(row[0]) if row else None

    def set_setting(self, repository: str, name: str, value: Any) -> None:
        """Store a setting of a repository."""
        self._do("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", repository, name, json.dumps(value))

    # Refs: kind is "branch" or "tag"

    def ref(self, repository: str, kind: str, name: str) -> str | None:
        """Return the commit id of a branch or tag, None if there is none."""
        row = self._one(
            "SELECT commit_id FROM refs WHERE repository = ? AND kind = ? AND name = ?",
            repository,
            kind,
            name,
        )
        return str(row[0]) if row else None

    def refs(
        self, repository: str, kind: str, prefix: str, after: str, limit: int, *, hidden: bool = False
    ) -> list[tuple[str, str]]:
        """Return at most `limit` names with their commits, sorted by name; with `hidden` also hidden ones."""
        rows = self._all(
            "SELECT name, commit_id FROM refs WHERE repository = ? AND kind = ? AND name > ? "
            "AND substr(name, 1, ?) = ? AND hidden <= ? ORDER BY name LIMIT ?",
            *(repository, kind, after, len(prefix), prefix, hidden, limit),
        )
        return [(str(name), str(commit)) for name, commit in rows]

    def set_ref(self, repository: str, kind: str, name: str, commit: str, *, hidden: bool = False) -> None:
        """Point a ref at a commit; `hidden` counts only when the ref is new."""
        self._do(
            "INSERT INTO refs (repository, kind, name, commit_id, hidden) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET commit_id = excluded.commit_id",
            *(repository, kind, name, commit, hidden),
        )

    def remove_ref(self, repository: str, kind: str, name: str) -> None:
        """Delete a branch or tag."""
        self._do("DELETE FROM refs WHERE repository = ? AND kind = ? AND name = ?", repository, kind, name)

    # Commits and versions

    def commit(self, repository: str, commit_id: str) -> CommitRecord | None:
        """Return a commit, None if there is none."""
        row = self._one("SELECT body FROM commits WHERE repository = ? AND id = ?", repository, commit_id)
        return _record(row[0]) if row else None

    def commits_like(self, repository: str, prefix: str) -> list[str]:
        """Return at most two ids that begin with a prefix: enough to see whether it is ambiguous."""
        rows = self._all(
            "SELECT id FROM commits WHERE repository = ? AND id >= ? AND id < ? LIMIT 2",
            *(repository, prefix, prefix + "g"),
        )
        return [str(row[0]) for row in rows]

    def add_commit(self, repository: str, record: CommitRecord) -> None:
        """Insert a commit."""
        body = json.dumps({**record.__dict__, "parents": list(record.parents)})
        self._do(
            "INSERT OR IGNORE INTO commits (repository, id, body, written) VALUES (?, ?, ?, ?)",
            *(repository, record.id, body, int(time.time())),
        )

    def _load_version(self, version: str) -> list[Span]:
        row = self._one("SELECT spans FROM versions WHERE id = ?", version)
        with self._readable(version):
            spans = [Span(*span) for span in json.loads(self._present(row, version)[0])]
            if version_of(spans) != version:
                raise ValueError("not what was stored")
        return spans

    def add_version(self, version: str, spans: Sequence[Span]) -> None:
        """Insert a version unless it exists."""
        self._do("INSERT OR IGNORE INTO versions VALUES (?, ?)", version, json.dumps(spans))

    def _load_range(self, name: str) -> tuple[Entry, ...]:
        row = self._one("SELECT content FROM ranges WHERE id = ?", name)
        with self._readable(name):
            return decode(name, self._present(row, name)[0])

    def add_range(self, name: str, content: bytes) -> None:
        """Insert a range unless it exists."""
        self._do("INSERT OR IGNORE INTO ranges VALUES (?, ?)", name, content)

    # Staging: what was written to a branch since its last commit; None stands for removed

    def staged(
        self, repository: str, branch: str, start: str = "", limit: int = -1
    ) -> list[tuple[str, Entry | None]]:
        """Return staged changes by path, from `start` on; None stands for a deleted object."""
        rows = self._all(
            "SELECT path, entry FROM staging WHERE repository = ? AND branch = ? AND path >= ? "
            "ORDER BY path LIMIT ?",
            *(repository, branch, start, limit),
        )
        return [(str(path), Entry(*json.loads(entry)) if entry else None) for path, entry in rows]

    def staged_from(
        self, repository: str, branch: str, start: str = ""
    ) -> Iterator[tuple[str, Entry | None]]:
        """Yield the same without a limit, read in batches; use it inside of `snapshot` for consistency."""
        while True:
            rows = self.staged(repository, branch, start, _STAGED_BATCH_ROWS)
            yield from rows
            if len(rows) < _STAGED_BATCH_ROWS:
                return
            start = rows[-1][0] + "\0"

    def staged_entry(self, repository: str, branch: str, path: str) -> tuple[bool, Entry | None]:
        """Return whether a path is staged, and its staged entry."""
        row = self._one(
            "SELECT entry FROM staging WHERE repository = ? AND branch = ? AND path = ?",
            repository,
            branch,
            path,
        )
        return (row is not None), (Entry(*json.loads(row[0])) if row and row[0] else None)

    def stage(self, repository: str, branch: str, path: str, entry: Entry | None) -> None:
        """Stage a change; None deletes the object."""
        body = json.dumps(entry.to_row()) if entry else None
        self._do("INSERT OR REPLACE INTO staging VALUES (?, ?, ?, ?)", repository, branch, path, body)

    def unstage(self, repository: str, branch: str, changes: Iterable[tuple[str, Entry | None]]) -> None:
        """Discard these staged changes, unless something else was staged for their paths since."""
        rows = (
            (repository, branch, path, json.dumps(entry.to_row()) if entry else None)
            for path, entry in changes
        )
        with self.transaction() as connection:
            connection.executemany(
                "DELETE FROM staging WHERE repository = ? AND branch = ? AND path = ? AND entry IS ?", rows
            )

    def clear_staging(self, repository: str, branch: str, first: str = "", last: str = LAST) -> None:
        """Discard staged changes of the paths from `first` to `last`, both included; by default of all."""
        self._do(
            "DELETE FROM staging WHERE repository = ? AND branch = ? AND path >= ? AND path <= ?",
            *(repository, branch, first, last),
        )

    # All repositories together, for garbage collection

    def roots(self, moment: float) -> list[tuple[str, str]]:
        """Return repository and id of each commit with a ref, or written since (seconds since 1970)."""
        return self._pairs(
            "SELECT repository, commit_id FROM refs "
            "UNION SELECT repository, id FROM commits WHERE written >= ?",
            moment,
        )

    def staged_addresses(self) -> Iterator[str]:
        """Return the addresses of the contents that are staged on any branch."""
        rows = self._connection.execute("SELECT entry FROM staging WHERE entry IS NOT NULL")
        return (Entry(*json.loads(entry)).address for (entry,) in rows)

    def commits(self) -> set[tuple[str, str]]:
        """Return repository and id of every commit."""
        return set(self._pairs("SELECT repository, id FROM commits"))

    def versions(self) -> set[str]:
        """Return the ids of all versions."""
        return {str(name) for (name,) in self._all("SELECT id FROM versions")}

    def ranges(self) -> set[str]:
        """Return the ids of all ranges."""
        return {str(name) for (name,) in self._all("SELECT id FROM ranges")}

    def remove(self, commits: set[tuple[str, str]], versions: set[str], ranges: set[str]) -> None:
        """Remove commits (repository and id), versions and ranges in one transaction."""
        with self.transaction() as connection:
            connection.executemany("DELETE FROM commits WHERE repository = ? AND id = ?", commits)
            connection.executemany("DELETE FROM versions WHERE id = ?", ((name,) for name in versions))
            connection.executemany("DELETE FROM ranges WHERE id = ?", ((name,) for name in ranges))

    def _pairs(self, query: str, *values: object) -> list[tuple[str, str]]:
        return [(str(left), str(right)) for left, right in self._all(query, *values)]

    def _present(self, row: _Row | None, name: str) -> _Row:
        if row is None:
            raise Corrupt(f"{name} is missing from {self._file}: restore the lake from a backup")
        return row

    @contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, zlib.error) as error:
            raise Corrupt(f"{name} in {self._file} is damaged: restore the lake from a backup") from error

    def _do(self, statement: str, *values: object) -> None:
        with self.transaction() as connection:
            connection.execute(statement, values)

    def _one(self, query: str, *values: object) -> _Row | None:
        row: _Row | None = self._connection.execute(query, values).fetchone()
        return row

    def _all(self, query: str, *values: object) -> list[_Row]:
        return self._connection.execute(query, values).fetchall()


def _repository(row: _Row) -> Repository:
    return Repository(row[0], row[1], row[2], row[3], bool(row[4]))


def _record(body: str) -> CommitRecord:
    fields = json.loads(body)
    return CommitRecord(**{**fields, "parents": tuple(fields["parents"])})
