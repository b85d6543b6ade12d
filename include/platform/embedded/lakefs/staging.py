"""Objects of a repository: committed ones and, on a branch, uncommitted changes."""

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
_MAX_PATH_BYTES = 1024
"""The limit of lakeFS."""


class RepositoryObjects(Refs):
    """A repository with its refs and objects."""

    # Reading

    def entry(self, ref: str, path: str) -> Entry:
        """Return the object of a path at a ref, including uncommitted ones of a branch; raise NotFound."""
        entry = self.find(ref, path)
        if entry is None:
            raise NotFound(f"object {path!r} not found at {ref!r}")
        return entry

    def find(self, ref: str, path: str) -> Entry | None:
        """Return the same as `entry`, or None."""
        check_path(path)
        staged, entry = False, None
        with self.database.snapshot():
            position = self.resolve(ref)
            if position.branch:
                staged, entry = self.database.staged_entry(self.facts.name, position.branch, path)
        return entry if staged else tree.find(self.spans(position.commit), path, self.database.load_range)

    def scan(self, ref: str, start: str) -> Iterator[Entry]:
        """Yield the objects at a ref from the path `start` on, in order; ranges are read lazily."""
        with self.database.snapshot():
            position = self.resolve(ref)
            committed = tree.scan(self.spans(position.commit), start, self.database.load_range)
            if position.branch:
                staged = self.database.staged_from(self.facts.name, position.branch, start)
                yield from _overlaid(committed, staged)
            else:
                yield from committed

    def uncommitted(self, branch: str, start: str = "") -> Iterator[Difference]:
        """Yield the uncommitted differences of a branch from the path `start` on, in order."""
        with self.database.snapshot():
            spans = self.spans(self.branch(branch))
            for path, entry in self.database.staged_from(self.facts.name, branch, start):
                if change := self.difference(spans, path, entry):
                    yield change

    def difference(self, spans: list[Span], path: str, entry: Entry | None) -> Difference | None:
        """Return how an entry (None: removed) differs from the version's, or None if it does not."""
        before = tree.find(spans, path, self.database.load_range)
        return None if tree.same(before, entry) else Difference(path, before, entry)

    def spans(self, commit: CommitRecord) -> list[Span]:
        """Return the ranges of a commit."""
        return self.database.load_version(commit.version)

    # Writing

    def check_write(
        self, branch: str, path: str = "any", *, only_new: bool = False, force: bool = False
    ) -> None:
        """Raise an ApiError if a path may not be written to a branch."""
        self.branch(branch)
        self.refuse_protected(branch, "write")
        self.refuse_read_only(force)
        check_path(path)
        if only_new and self.find(branch, path):
            raise PreconditionFailed("path already exists")

    def stage(
        self, branch: str, path: str, entry: Entry | None, *, only_new: bool = False, force: bool = False
    ) -> None:
        """Stage an object on a branch, or with None its removal; do nothing if it does not exist."""
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
        """Stage a copy of the object at `source` (ref, path), in one transaction."""
        with self.database.transaction():
            self.check_write(branch, path, force=force)
            original = self.entry(*source)
            metadata = original.metadata if metadata is None else metadata
            entry = replace(original, path=path, metadata=metadata, mtime=int(time.time()))
            self.database.stage(self.facts.name, branch, path, entry)
        return entry

    def reset(self, branch: str, first: str = "", last: str = LAST, *, force: bool = False) -> None:
        """Discard uncommitted changes of the paths from `first` to `last`, both included."""
        with self.database.transaction():
            self._check_branch(branch, force)
            self.database.clear_staging(self.facts.name, branch, first, last)

    def _check_branch(self, branch: str, force: bool) -> None:
        self.branch(branch)
        self.refuse_protected(branch, "write")
        self.refuse_read_only(force)


def _overlaid(committed: Iterator[Entry], staged: Iterator[tuple[str, Entry | None]]) -> Iterator[Entry]:
    """Merge committed entries with the staged ones that replace them; both are sorted by path."""
    path, entry = next(staged, _NONE)
    for original in committed:
        while path is not None and path < original.path:
            yield from filter(None, [entry])
            path, entry = next(staged, _NONE)
        if path != original.path:
            yield original
    while path is not None:
        yield from filter(None, [entry])
        path, entry = next(staged, _NONE)


def check_path(path: str) -> None:
    """Raise BadRequest for a string that is not a valid path."""
    size = len(path.encode())
    if not size:
        raise BadRequest("path is required: it is empty")
    if size > _MAX_PATH_BYTES:
        raise BadRequest(f"path is too long: {size} bytes are above the maximum of {_MAX_PATH_BYTES}")
