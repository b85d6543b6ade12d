"""Garbage collection: what nothing reaches any more, and has not for a while, is removed.

It runs beside the server, in a process of its own, and takes nothing that is in use:

- Marking reads one moment of the database without holding anybody up. Before anything is removed, in the
  transaction that removes it, marking goes on with what was added since; so a branch made meanwhile of a
  commit that nothing reached brings that commit back.
- An upload takes its content into the store and notes it in one transaction of its own, and contents are
  removed inside of transactions only. So a content that is stored again is either noted, or gone
  before it is stored.
- Rows go first, in one transaction, then contents: killed in between, it leaves contents without an owner,
  which the next run finds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice

from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import Database

_AT_ONCE = 500
"""Contents that are removed in one transaction; others wait no longer than that takes."""


@dataclass(frozen=True)
class Garbage:
    """How much was found, contents in bytes too."""

    commits: int
    versions: int
    ranges: int
    contents: int
    size: int


@dataclass
class _Marks:
    """Everything that is reached, by its name."""

    database: Database
    cutoff: float
    commits: set[tuple[str, str]] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    ranges: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)

    def extend(self) -> None:
        """Go on from every branch, tag, staged object and young commit to what is not marked yet."""
        self.contents.update(self.database.staged_addresses())
        ahead = self.database.roots(self.cutoff)
        while ahead:
            repository, name = ahead.pop()
            if (repository, name) in self.commits:
                continue
            self.commits.add((repository, name))
            if commit := self.database.commit(repository, name):
                self._mark_version(commit.version)
                ahead += [(repository, parent) for parent in commit.parents]

    def _mark_version(self, version: str) -> None:
        if version in self.versions:
            return
        self.versions.add(version)
        for name in {span.id for span in self.database.load_version(version)} - self.ranges:
            self.ranges.add(name)
            self.contents.update(entry.address for entry in self.database.load_range(name))


def collect(database: Database, blobs: Blobs, retention: float, *, dry_run: bool = False) -> Garbage:
    """Remove what nothing reaches and what is older than `retention` seconds; with `dry_run` only count it.

    Raises Corrupt, and removes nothing, if a part of the lake that is in use cannot be read.
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
    loose = {address: size for address, size in old.items() if address not in marks.contents}
    if not dry_run:
        _remove(loose, marks, blobs)
    return Garbage(len(commits), len(versions), len(ranges), len(loose), sum(loose.values()))


def _remove(loose: dict[str, int], marks: _Marks, blobs: Blobs) -> None:
    names = iter(loose)
    while batch := list(islice(names, _AT_ONCE)):
        with marks.database.transaction():
            marks.extend()
            for address in batch:
                if address not in marks.contents:
                    blobs.remove(address, marks.cutoff)
