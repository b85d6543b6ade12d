"""Objects of a repository: those of its commits, and on a branch what is written and not committed yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from include.platform.embedded.lakefs import tree
from include.platform.embedded.lakefs.database import CommitRecord
from include.platform.embedded.lakefs.errors import BadRequest, NotFound, PreconditionFailed
from include.platform.embedded.lakefs.listing import LAST
from include.platform.embedded.lakefs.refs import Refs
from include.platform.embedded.lakefs.tree import Difference, Entry, Span

_NONE: tuple[str | None, Entry | None] = (None, None)
_LONGEST_PATH = 1024
"""Bytes, as in lakeFS."""


class Objects(Refs):
    """One repository with its objects."""

    # Reading

    def entry(self, ref: str, path: str) -> Entry:
        """The object of a path at a ref; at a branch, with what is not committed yet."""
        found = self.find(ref, path)
        if found is None:
            raise NotFound(f"object {path!r} not found at {ref!r}")
        return found

    def find(self, ref: str, path: str) -> Entry | None:
        """The same, or None."""
        check_path(path)
        staged, entry = False, None
        with self.database.snapshot():
            position = self.resolve(ref)
            if position.branch:
                staged, entry = self.database.staged_entry(self.facts.name, position.branch, path)
        return entry if staged else tree.find(self.spans(position.commit), path, self.database.load_range)

    def scan(self, ref: str, start: str) -> Iterator[Entry]:
        """Objects at a ref from the path `start` on, in order, read as they are asked for."""
        with self.database.snapshot():
            position = self.resolve(ref)
            committed = tree.scan(self.spans(position.commit), start, self.database.load_range)
            if position.branch:
                staged = self.database.staged_from(self.facts.name, position.branch, start)
                yield from _overlaid(committed, staged)
            else:
                yield from committed

    def uncommitted(self, branch: str, start: str = "") -> Iterator[Difference]:
        """Where a branch's staging disagrees with its last commit, from the path `start` on."""
        with self.database.snapshot():
            spans = self.spans(self.branch(branch))
            for path, entry in self.database.staged_from(self.facts.name, branch, start):
                if change := self.difference(spans, path, entry):
                    yield change

    def difference(self, spans: list[Span], path: str, entry: Entry | None) -> Difference | None:
        """How an entry of a path, or None for removed, disagrees with a version."""
        before = tree.find(spans, path, self.database.load_range)
        return None if tree.same(before, entry) else Difference(path, before, entry)

    def spans(self, commit: CommitRecord) -> list[Span]:
        """The ranges of a commit."""
        return self.database.load_version(commit.version)

    # Writing

    def check_write(
        self, branch: str, path: str = "any", *, only_new: bool = False, force: bool = False
    ) -> None:
        """Refuse what may not be written to a branch."""
        self.branch(branch)
        self.refuse_protected(branch, "write")
        self.refuse_read_only(force)
        check_path(path)
        if only_new and self.find(branch, path):
            raise PreconditionFailed("path already exists")

    def stage(
        self, branch: str, path: str, entry: Entry | None, *, only_new: bool = False, force: bool = False
    ) -> None:
        """Write an object to a branch until the next commit, or remove it; fine if there is none."""
        with self.database.transaction():
            self.check_write(branch, path, only_new=only_new, force=force)
            if entry or self.find(branch, path):
                self.database.stage(self.facts.name, branch, path, entry)

    def copy(
        self,
        branch: str,
        path: str,
        source: tuple[str, str],
        *,
        metadata: dict[str, str] | None = None,
        force: bool = False,
    ) -> Entry:
        """Write an object with the content of another, at (ref, path), in one transaction."""
        with self.database.transaction():
            self.check_write(branch, path, force=force)
            found = self.entry(*source)
            kept = found.metadata if metadata is None else metadata
            made = replace(found, path=path, metadata=kept, mtime=int(time.time()))
            self.database.stage(self.facts.name, branch, path, made)
        return made

    def reset(self, branch: str, first: str = "", last: str = LAST, *, force: bool = False) -> None:
        """Forget what is not committed on the paths from `first` to `last`, both included."""
        with self.database.transaction():
            self._check_branch(branch, force)
            self.database.clear_staging(self.facts.name, branch, first, last)

    def _check_branch(self, branch: str, force: bool) -> None:
        self.branch(branch)
        self.refuse_protected(branch, "write")
        self.refuse_read_only(force)


def _overlaid(committed: Iterator[Entry], staged: Iterator[tuple[str, Entry | None]]) -> Iterator[Entry]:
    """Committed entries, with what is staged in their place; both in order."""
    path, entry = next(staged, _NONE)
    for found in committed:
        while path is not None and path < found.path:
            yield from filter(None, [entry])
            path, entry = next(staged, _NONE)
        if path != found.path:
            yield found
    while path is not None:
        yield from filter(None, [entry])
        path, entry = next(staged, _NONE)


def check_path(path: str) -> None:
    """Refuse what is no path of an object."""
    size = len(path.encode())
    if not size:
        raise BadRequest("path is required: it is empty")
    if size > _LONGEST_PATH:
        raise BadRequest(f"path is too long: {size} bytes are above the maximum of {_LONGEST_PATH}")
