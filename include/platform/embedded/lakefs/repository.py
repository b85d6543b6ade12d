"""Commits of a repository: committing, merging, reverting, cherry-picking, and reading history."""

from __future__ import annotations

import hashlib
import heapq
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from include.platform.embedded.lakefs import tree
from include.platform.embedded.lakefs.database import CommitRecord
from include.platform.embedded.lakefs.errors import AlreadyExists, BadRequest, MergeConflict
from include.platform.embedded.lakefs.events import Event
from include.platform.embedded.lakefs.staging import RepositoryObjects
from include.platform.embedded.lakefs.tree import Changes, Difference, Entry, Span

STRATEGIES = {"": "default", "dest-wins": "dest-wins", "source-wins": "source-wins"}
"""How a merge resolves conflicts, by the name that lakeFS writes into the merge's metadata."""

_COMMITTER = "admin"


class Overrides(NamedTuple):
    """Message and metadata that replace the default ones of a revert or a cherry-pick."""

    message: str = ""
    metadata: dict[str, str] | None = None


class Store(RepositoryObjects):
    """A repository with its refs, objects and commits."""

    def commit(
        self,
        branch: str,
        message: str,
        metadata: dict[str, str],
        *,
        date: int | None = None,
        allow_empty: bool = False,
        force: bool = False,
    ) -> CommitRecord:
        """Commit what is staged on a branch, in one transaction; `date` in seconds since 1970."""

        def propose() -> Event:
            head = self.branch(branch)
            self.refuse_protected(branch, "commit")
            self.refuse_read_only(force)
            edits = [(change.path, change.right) for change in self.uncommitted(branch)]
            if not edits and not allow_empty:
                raise BadRequest("commit: no changes")
            record = self._draft(self._apply(head, edits), message, metadata, [head], date)
            return Event("commit", branch, branch, record=record)

        self._prepare(branch, message, metadata, force)
        return self._committed(propose)

    def merge(
        self,
        source: str,
        branch: str,
        message: str,
        metadata: dict[str, str],
        *,
        strategy: str = "",
        allow_empty: bool = False,
        squash: bool = False,
        force: bool = False,
    ) -> CommitRecord:
        """Merge a ref into a branch, in one transaction; raise MergeConflict with the first paths."""

        def propose() -> Event:
            head, theirs = self._clean(branch, force), self.commit_at(source)
            base, incoming = self.spans(self.merge_base(head.id, theirs.id)), self.spans(theirs)
            if not (allow_empty or force) and base == incoming:
                raise BadRequest("merge: no changes")
            spans = self._merged(head, base, incoming, strategy)
            named = {**metadata, ".lakefs.merge.strategy": STRATEGIES[strategy]}
            record = self._draft(spans, message, named, [head] if squash else [head, theirs])
            return Event("merge", theirs.id, branch, commit_id=record.id, merge_source=source, record=record)

        return self._committed(propose)

    def revert(
        self,
        branch: str,
        ref: str,
        parent: int,
        overrides: Overrides,
        *,
        allow_empty: bool = False,
        force: bool = False,
    ) -> CommitRecord:
        """Undo what a commit changed against one of its parents, counted from 1 (0: its only parent)."""

        def propose() -> Event:
            head, undone = self._clean(branch, force), self.commit_at(ref)
            if len(undone.parents) > 1 and not parent:
                raise AlreadyExists("must specify 1-based parent number for reverting merge commit")
            spans = self._merged(head, self.spans(undone), self._before(undone, parent))
            if spans == self.spans(head) and not allow_empty:
                raise BadRequest("revert: no changes")
            message = overrides.message or f"Revert {ref}"
            record = self._draft(spans, message, overrides.metadata or {}, [head])
            return Event("revert", branch, branch, record=record)

        return self._committed(propose)

    def cherry_pick(
        self, branch: str, ref: str, parent: int | None, overrides: Overrides, *, force: bool = False
    ) -> CommitRecord:
        """Repeat on a branch what a commit changed against one of its parents, counted from 1."""

        def propose() -> Event:
            head, picked = self._clean(branch, force), self.commit_at(ref)
            if len(picked.parents) > 1 and parent is None:
                raise BadRequest("must specify 1-based parent number for cherry-picking merge commit")
            before, after = self._before(picked, parent or 1), self.spans(picked)
            if before == after:
                raise BadRequest("cherry-pick: no changes")
            metadata = picked.metadata if overrides.metadata is None else overrides.metadata
            origin = {"cherry-pick-origin": picked.id, "cherry-pick-committer": picked.committer}
            spans = self._merged(head, before, after)
            message = overrides.message or picked.message
            record = self._draft(spans, message, {**metadata, **origin}, [head])
            return Event("cherry-pick", branch, branch, record=record)

        return self._committed(propose)

    def hard_reset(self, branch: str, ref: str, *, force: bool = False) -> None:
        """Point a branch at another commit; staged changes stay staged, as in lakeFS."""
        with self.database.transaction():
            self.branch(branch)
            self.refuse_protected(branch, "commit")
            self.refuse_read_only(force)
            self.database.set_ref(self.facts.name, "branch", branch, self.commit_at(ref).id)

    # Reading history

    def merge_base(self, left: str, right: str) -> CommitRecord:
        """Return the nearest common ancestor; the cost grows with its distance, not with the history."""
        sides = {left: 1}
        sides[right] = sides.get(right, 0) | 2
        queue = [(-self.commit_of(commit).generation, commit) for commit in sides]
        heapq.heapify(queue)
        while queue:
            _, name = heapq.heappop(queue)
            commit = self.commit_of(name)
            if sides[name] == 3:
                return commit
            for parent in commit.parents:
                if parent not in sides:
                    heapq.heappush(queue, (-self.commit_of(parent).generation, parent))
                sides[parent] = sides.get(parent, 0) | sides[name]
        raise BadRequest("no merge base")

    def log(self, ref: str, *, first_parent: bool = False, since: float = 0) -> Iterator[CommitRecord]:
        """Yield commits from a ref back, newest first; do not follow parents of commits older than `since`.

        `since` is in seconds since 1970.
        """
        start = self.commit_at(ref)
        queue, seen = [_newest(start)] if start.created >= since else [], {start.id}
        while queue:
            commit = self.commit_of(heapq.heappop(queue)[2])
            yield commit
            for name in commit.parents[:1] if first_parent else commit.parents:
                parent = self.commit_of(name)
                if name not in seen and parent.created >= since:
                    heapq.heappush(queue, _newest(parent))
                seen.add(name)

    def touches(self, commit: CommitRecord, objects: set[str], prefixes: tuple[str, ...]) -> bool:
        """Return whether a commit changed one of these paths; merges never count, as in lakeFS."""
        if len(commit.parents) != 1:
            return False
        before = self.spans(self.commit_of(commit.parents[0]))
        changes = tree.diff(before, self.spans(commit), self.database.load_range)
        return any(change.path in objects or change.path.startswith(prefixes) for change in changes())

    def diff(self, left: str, right: str) -> Changes:
        """Return the differences of two refs; `branch$` on the right includes what is staged."""
        position = self.resolve(right)
        spans = self.spans(self.commit_at(left))
        changes = tree.diff(spans, self.spans(position.commit), self.database.load_range)
        if not right.endswith("$") or position.branch is None:
            return changes
        return partial(self._with_staged, changes, spans, position.branch)

    def _with_staged(
        self, changes: Changes, spans: list[Span], branch: str, start: str = ""
    ) -> Iterator[Difference]:
        committed = ((change.path, change) for change in changes(start))
        staged = self.database.staged_from(self.facts.name, branch, start)
        differing = ((path, self.difference(spans, path, entry)) for path, entry in staged)
        both = heapq.merge(committed, differing, key=itemgetter(0))
        for _, rows in groupby(both, key=itemgetter(0)):
            *_, (_, change) = rows  # the staged row comes second, and overrides the committed one
            if change:
                yield change

    def compare(self, left: str, right: str) -> Changes:
        """Return what merging `right` into `left` would change, with the conflicts (three-dot diff)."""
        mine, theirs = self.commit_at(left), self.commit_at(right)
        base = self.merge_base(mine.id, theirs.id)
        return self._three_way(self.spans(mine), self.spans(base), self.spans(theirs))

    # Steps of the above

    def initialise(self) -> CommitRecord:
        """Create the first, empty commit of a new repository."""
        record = self._draft([], "Repository created", {}, [])
        self.database.set_ref(self.facts.name, "branch", self.facts.default_branch, record.id)
        return record

    def _prepare(self, branch: str, message: str, metadata: dict[str, str], force: bool) -> None:
        """Run the hooks that may still stage changes for a commit."""
        with self.database.snapshot():
            head = self.branch(branch)
            self.refuse_protected(branch, "commit")
            self.refuse_read_only(force)
            planned = replace(head, message=message, metadata=metadata, committer=_COMMITTER)
            approval = self._approval(Event("commit", branch, branch, record=planned), "prepare")
        if approval:
            approval()

    def _committed(self, propose: Callable[[], Event]) -> CommitRecord:
        """Make a commit, which hooks may refuse, the head of its branch, and clear the branch's staging.

        What is staged while hooks run is not part of the commit, and stays staged.
        """
        sealed: list[tuple[str, Entry | None]] | None = None

        def seal(event: Event) -> None:
            nonlocal sealed
            sealed = self.database.staged(self.facts.name, event.branch)

        def is_current(event: Event) -> bool:
            return self.branch(event.branch).id == _of(event).parents[0]

        def publish(event: Event) -> None:
            self.database.set_ref(self.facts.name, "branch", event.branch, _of(event).id)
            if sealed is None:
                self.database.clear_staging(self.facts.name, event.branch)
            else:
                self.database.unstage(self.facts.name, event.branch, sealed)

        return _of(self._guarded(propose, publish, is_current, seal))

    def _clean(self, branch: str, force: bool) -> CommitRecord:
        """Return the last commit of a branch; raise BadRequest if changes are staged on it."""
        self.refuse_read_only(force)
        head = self.branch(branch)
        if next(self.uncommitted(branch), None):
            raise BadRequest(f"{branch}: uncommitted changes (dirty branch)")
        return head

    def _before(self, commit: CommitRecord, parent: int) -> list[Span]:
        """Return the ranges of one of a commit's parents; none for the first commit."""
        if parent > len(commit.parents):
            raise BadRequest(f"parent {parent}: given commit does not have the given parent number")
        return self.spans(self.commit_of(commit.parents[max(parent, 1) - 1])) if commit.parents else []

    def _merged(
        self, head: CommitRecord, base: list[Span], theirs: list[Span], strategy: str = ""
    ) -> list[Span]:
        """Return the ranges of a branch after applying what `theirs` changed since `base`."""
        changes = list(self._three_way(self.spans(head), base, theirs)())
        conflicts = [change.path for change in changes if change.conflict]
        if conflicts and not strategy:
            raise MergeConflict(f"conflict found: {len(conflicts)} object(s), {', '.join(conflicts[:3])}")
        taken = [change for change in changes if not change.conflict or strategy == "source-wins"]
        return self._apply(head, [(change.path, change.right) for change in taken])

    def _three_way(self, ours: list[Span], base: list[Span], theirs: list[Span]) -> Changes:
        return tree.three_way(base, ours, theirs, self.database.load_range)

    def _apply(self, head: CommitRecord, edits: list[tree.Edit]) -> list[Span]:
        return tree.apply(self.spans(head), edits, self.database.load_range, self.database.add_range)

    def _draft(
        self,
        spans: list[Span],
        message: str,
        metadata: dict[str, str],
        parents: Sequence[CommitRecord],
        date: int | None = None,
    ) -> CommitRecord:
        """Create a commit that no branch has yet; garbage collection removes it if none gets it."""
        record = CommitRecord(
            id="",
            version=tree.version_of(spans),
            message=message,
            created=int(time.time()) if date is None else date,
            committer=_COMMITTER if parents else "",
            generation=1 + max((parent.generation for parent in parents), default=0),
            parents=tuple(parent.id for parent in parents),
            metadata=metadata,
        )
        unique = json.dumps([record.__dict__, time.time_ns()], sort_keys=True)
        record = replace(record, id=hashlib.sha256(unique.encode()).hexdigest())
        self.database.add_version(record.version, spans)
        self.database.add_commit(self.facts.name, record)
        return record


def _of(event: Event) -> CommitRecord:
    return event.record  # type: ignore[return-value]  # every event of this module has one


def _newest(commit: CommitRecord) -> tuple[int, int, str]:
    return -commit.created, -commit.generation, commit.id
