"""Garbage collection: remove what is unreachable and old.

It runs in a process of its own, concurrently with the server, and never removes what is in use:

- Marking reads a snapshot of the database, which blocks nobody. The transaction that removes rows first
  continues marking with what was added since, so a branch that was created meanwhile from an unreachable
  commit makes that commit reachable again.
- An upload moves its content into the store and records it in one transaction, and contents are removed
  inside of transactions only. So a content that is uploaded again is either recorded before its removal is
  decided, or stored after it was removed.
- Rows are removed first, in one transaction, then contents. If the process is killed in between, it leaves
  contents without an owner, which the next run removes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice

from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import Database

_BATCH_CONTENTS = 500
"""Number of contents removed in one transaction, which bounds how long writers wait."""


@dataclass(frozen=True)
class Garbage:
    """Numbers of removed things; `size` of the contents in bytes."""

    commits: int
    versions: int
    ranges: int
    contents: int
    size: int


@dataclass
class _Marks:
    """Names of everything that is reachable."""

    database: Database
    cutoff: float
    commits: set[tuple[str, str]] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    ranges: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)

    def extend(self) -> None:
        """Mark what is reachable from branches, tags, staged objects and young commits and not marked yet."""
        self.contents.update(self.database.staged_addresses())
        pending = self.database.roots(self.cutoff)
        while pending:
            repository, name = pending.pop()
            if (repository, name) in self.commits:
                continue
            self.commits.add((repository, name))
            if commit := self.database.commit(repository, name):
                self._mark_version(commit.version)
                pending += [(repository, parent) for parent in commit.parents]

    def _mark_version(self, version: str) -> None:
        if version in self.versions:
            return
        self.versions.add(version)
        for name in {span.id for span in self.database.load_version(version)} - self.ranges:
            self.ranges.add(name)
            self.contents.update(entry.address for entry in self.database.load_range(name))


def collect(database: Database, blobs: Blobs, retention: float, *, dry_run: bool = False) -> Garbage:
    """Remove what is unreachable and older than `retention` seconds; with `dry_run` only count it.

    Raises Corrupt, and removes nothing, if a reachable part of the lake cannot be read.
    """
    cutoff = time.time() - retention
    marks = _Marks(database, cutoff)
    with database.snapshot():
        marks.extend()
    old = dict(blobs.older_than(cutoff))
    with database.snapshot() if dry_run else database.transaction():
        marks.extend()
        commits = database.commits() - marks.commits
        versions, ranges = database.versions() - marks.versions, database.ranges() - marks.ranges
        if not dry_run:
            database.remove(commits, versions, ranges)
    contents = {address: size for address, size in old.items() if address not in marks.contents}
    if not dry_run:
        _remove(contents, marks, blobs)
    return Garbage(len(commits), len(versions), len(ranges), len(contents), sum(contents.values()))


def _remove(contents: dict[str, int], marks: _Marks, blobs: Blobs) -> None:
    names = iter(contents)
    while batch := list(islice(names, _BATCH_CONTENTS)):
        with marks.database.transaction():
            marks.extend()
            for address in batch:
                if address not in marks.contents:
                    blobs.remove(address, marks.cutoff)
