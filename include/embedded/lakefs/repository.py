"""What the API means: refs, staging, commits and merges of one repository."""

from __future__ import annotations

import hashlib
import heapq
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from include.embedded.lakefs import tree
from include.embedded.lakefs.database import CommitRecord, Database, Repository
from include.embedded.lakefs.errors import AlreadyThere, BadRequest, NotFound
from include.embedded.lakefs.tree import Difference, Entry, Span

REPOSITORY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
BRANCH_NAME = re.compile(r"\w[-\w]*", re.ASCII)
_TAG_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f^:?*\[\\/]|\.\.|@\{|^@$|\.$|\.lock$|^$")
_REF = re.compile(r"(?P<base>[^~^@]+)(?P<steps>(?:[~^]\d*|@)*)")
_EMPTY = hashlib.sha256(b"[]").hexdigest()


class Position(NamedTuple):
    """What a ref stands for: a commit, and the branch whose staging is seen on top of it, if any."""

    commit: CommitRecord
    branch: str | None


@dataclass(frozen=True)
class Store:
    """One repository: its facts and the database that it is kept in."""

    database: Database
    facts: Repository

    # Refs

    def resolve(self, expression: str) -> Position:
        """What a ref stands for: a branch, a tag, a commit id or the start of one, then `~n`, `^n`, `@`."""
        match = _REF.fullmatch(expression)
        if match is None:
            raise BadRequest(f"ref {expression!r} is not valid")
        commit, branch = self._base(match["base"])
        for step, count in re.findall(r"([~^@])(\d*)", match["steps"]):
            branch = None
            commit = self._step(commit, step, int(count) if count else 1)
        return Position(commit, branch)

    def branch(self, name: str) -> CommitRecord:
        """The commit that a branch stands for."""
        commit = self.database.ref(self.facts.name, "branch", name)
        if commit is None:
            raise NotFound(f"branch {name!r} not found")
        return self._commit(commit)

    def create_branch(self, name: str, source: str) -> str:
        if not BRANCH_NAME.fullmatch(name):
            raise BadRequest(f"branch name {name!r} is not valid: letters, digits, '_' and '-'")
        with self.database.transaction():
            self._refuse_taken("branch", name)
            commit = self.resolve(source).commit.id
            self.database.set_ref(self.facts.name, "branch", name, commit)
        return commit

    def delete_branch(self, name: str) -> None:
        if name == self.facts.default_branch:
            raise BadRequest("cannot delete the default branch")
        with self.database.transaction():
            self.branch(name)
            self.database.clear_staging(self.facts.name, name)
            self.database.remove_ref(self.facts.name, "branch", name)

    def create_tag(self, name: str, source: str) -> str:
        if _TAG_FORBIDDEN.search(name):
            raise BadRequest(f"tag name {name!r} is not valid")
        with self.database.transaction():
            self._refuse_taken("tag", name)
            commit = self.resolve(source).commit.id
            self.database.set_ref(self.facts.name, "tag", name, commit)
        return commit

    def tag(self, name: str) -> str:
        commit = self.database.ref(self.facts.name, "tag", name)
        if commit is None:
            raise NotFound(f"tag {name!r} not found")
        return commit

    def delete_tag(self, name: str) -> None:
        with self.database.transaction():
            self.tag(name)
            self.database.remove_ref(self.facts.name, "tag", name)

    # Objects

    def entry(self, ref: str, path: str) -> Entry:
        """The object of a path at a ref; at a branch, with what is not committed yet."""
        staged, entry = False, None
        with self.database.snapshot():
            position = self.resolve(ref)
            if position.branch:
                staged, entry = self.database.staged_entry(self.facts.name, position.branch, path)
        found = entry if staged else tree.find(self.spans(position.commit), path, self.database.load_range)
        if found is None:
            raise NotFound(f"object {path!r} not found at {ref!r}")
        return found

    def stage(self, branch: str, path: str, entry: Entry | None, *, only_new: bool = False) -> None:
        """Write an object to a branch, or remove it, until the next commit."""
        if not path:
            raise BadRequest("path is required")
        with self.database.transaction():
            self.branch(branch)
            if entry is None:
                self.entry(branch, path)
            if only_new and self._exists(branch, path):
                raise AlreadyThere("path already exists", 412)
            self.database.stage(self.facts.name, branch, path, entry)

    def scan(self, ref: str, start: str) -> Iterator[Entry]:
        """Objects at a ref from the path `start` on, in order."""
        staged: list[tuple[str, Entry | None]] = []
        with self.database.snapshot():
            position = self.resolve(ref)
            if position.branch:
                staged = self.database.staged(self.facts.name, position.branch, start)
        committed = tree.scan(self.spans(position.commit), start, self.database.load_range)
        changed = dict(staged)
        kept = (entry for entry in committed if entry.path not in changed)
        yield from heapq.merge(kept, (entry for _, entry in staged if entry), key=lambda entry: entry.path)

    # Versions

    def commit(
        self, branch: str, message: str, metadata: dict[str, str], *, date: int | None, allow_empty: bool
    ) -> CommitRecord:
        """Commit what is staged on a branch, in one transaction."""
        with self.database.transaction():
            head = self.branch(branch)
            edits = [(change.path, change.right) for change in self.uncommitted(branch)]
            if not edits and not allow_empty:
                raise BadRequest("commit: no changes")
            spans = self._apply(self.spans(head), edits)
            record = self._record(branch, spans, message, metadata, [head], date)
            self.database.clear_staging(self.facts.name, branch)
        return record

    def merge(
        self,
        source: str,
        branch: str,
        message: str,
        metadata: dict[str, str],
        *,
        strategy: str,
        allow_empty: bool,
    ) -> CommitRecord:
        """Merge a ref into a branch, in one transaction; conflicts are answered with the first paths."""
        with self.database.transaction():
            head, theirs = self.branch(branch), self.resolve(source).commit
            if self._is_dirty(branch):
                raise BadRequest(f"branch {branch!r} has uncommitted changes")
            base = self.merge_base(head.id, theirs.id)
            if not allow_empty and next(self._changes(base, theirs), None) is None:
                raise BadRequest("merge: no changes")
            spans = self._apply(self.spans(head), self._merge_edits(base, head, theirs, strategy))
            # What is staged changes nothing now, but would hide what the merge brings.
            self.database.clear_staging(self.facts.name, branch)
            return self._record(branch, spans, message, metadata, [head, theirs], None)

    def merge_base(self, left: str, right: str) -> CommitRecord:
        """The nearest common ancestor; costs the distance to it, not the history."""
        sides = {left: 1}
        sides[right] = sides.get(right, 0) | 2
        queue = [(-self._commit(commit).generation, commit) for commit in sides]
        heapq.heapify(queue)
        while queue:
            _, name = heapq.heappop(queue)
            commit = self._commit(name)
            if sides[name] == 3:
                return commit
            for parent in commit.parents:
                if parent not in sides:
                    heapq.heappush(queue, (-self._commit(parent).generation, parent))
                sides[parent] = sides.get(parent, 0) | sides[name]
        raise BadRequest("no merge base")

    def log(self, ref: str, *, first_parent: bool = False) -> Iterator[CommitRecord]:
        """Commits from a ref back to the first; children come before their parents."""
        start = self.resolve(ref).commit
        queue, seen = [(-start.generation, -start.created, start.id)], {start.id}
        while queue:
            commit = self._commit(heapq.heappop(queue)[2])
            yield commit
            for name in commit.parents[:1] if first_parent else commit.parents:
                if name not in seen:
                    seen.add(name)
                    parent = self._commit(name)
                    heapq.heappush(queue, (-parent.generation, -parent.created, name))

    def diff(self, left: str, right: str, *, three_dot: bool) -> Iterator[Difference]:
        """Where two refs disagree; three-dot: what the right side changed since they parted."""
        mine, theirs = self.resolve(left).commit, self.resolve(right).commit
        start = self.merge_base(mine.id, theirs.id) if three_dot else mine
        return self._changes(start, theirs)

    def uncommitted(self, branch: str) -> Iterator[Difference]:
        """Where a branch's staging disagrees with its last commit."""
        with self.database.snapshot():
            spans = self.spans(self.branch(branch))
            staged = self.database.staged(self.facts.name, branch)
        for path, entry in staged:
            before = tree.find(spans, path, self.database.load_range)
            if not (entry.same_as(before) if entry else before is None):
                yield Difference(path, before, entry)

    def spans(self, commit: CommitRecord) -> list[Span]:
        """The ranges of a commit."""
        return self.database.load_version(commit.version)

    # Steps of the above

    def initialise(self) -> CommitRecord:
        """The first, empty commit of a new repository."""
        return self._record(self.facts.default_branch, [], "Repository created", {}, [], None)

    def _base(self, name: str) -> tuple[CommitRecord, str | None]:
        for kind in ("branch", "tag"):
            if commit := self.database.ref(self.facts.name, kind, name):
                return self._commit(commit), name if kind == "branch" else None
        if re.fullmatch(r"[0-9a-f]{6,64}", name):
            found = self.database.commits_like(self.facts.name, name)
            if len(found) == 1:
                return self._commit(found[0]), None
        raise NotFound(f"ref {name!r} not found")

    def _step(self, commit: CommitRecord, step: str, count: int) -> CommitRecord:
        if step == "@":
            return commit
        if step == "^":
            return self._parent(commit, count) if count else commit
        for _ in range(count):
            commit = self._parent(commit, 1)
        return commit

    def _parent(self, commit: CommitRecord, number: int) -> CommitRecord:
        if number > len(commit.parents):
            raise NotFound(f"commit {commit.id} has no parent number {number}")
        return self._commit(commit.parents[number - 1])

    def _commit(self, commit_id: str) -> CommitRecord:
        found = self.database.commit(self.facts.name, commit_id)
        if found is None:
            raise NotFound(f"commit {commit_id!r} not found")
        return found

    def _refuse_taken(self, kind: str, name: str) -> None:
        if self.database.ref(self.facts.name, kind, name):
            raise AlreadyThere(f"{kind} already exists: not unique")

    def _exists(self, ref: str, path: str) -> bool:
        try:
            self.entry(ref, path)
        except NotFound:
            return False
        return True

    def _changes(self, left: CommitRecord, right: CommitRecord) -> Iterator[Difference]:
        return tree.diff(self.spans(left), self.spans(right), self.database.load_range)

    def _is_dirty(self, branch: str) -> bool:
        return next(self.uncommitted(branch), None) is not None

    def _merge_edits(
        self, base: CommitRecord, head: CommitRecord, theirs: CommitRecord, strategy: str
    ) -> list[tree.Edit]:
        load = self.database.load_range
        edits: list[tree.Edit] = []
        conflicts: list[str] = []
        for change, mine in tree.three_way(self.spans(base), self.spans(head), self.spans(theirs), load):
            untouched = mine.same_as(change.left) if mine else change.left is None
            if untouched or strategy == "source-wins":
                edits.append((change.path, change.right))
            elif strategy != "dest-wins":
                conflicts.append(change.path)
        if conflicts:
            raise AlreadyThere(f"conflict found: {len(conflicts)} object(s), {', '.join(conflicts[:3])}")
        return edits

    def _apply(self, spans: list[Span], edits: list[tree.Edit]) -> list[Span]:
        return tree.apply(spans, edits, self.database.load_range, self.database.add_range)

    @staticmethod
    def _version_of(spans: list[Span]) -> str:
        return hashlib.sha256(json.dumps([span.id for span in spans]).encode()).hexdigest()

    def _record(
        self,
        branch: str,
        spans: list[Span],
        message: str,
        metadata: dict[str, str],
        parents: list[CommitRecord],
        date: int | None,
    ) -> CommitRecord:
        record = CommitRecord(
            id="",
            version=self._version_of(spans),
            message=message,
            created=int(time.time()) if date is None else date,
            committer="admin",
            generation=1 + max((parent.generation for parent in parents), default=0),
            parents=tuple(parent.id for parent in parents),
            metadata=metadata,
        )
        unique = json.dumps([record.__dict__, time.time_ns()], sort_keys=True)
        record = replace(record, id=hashlib.sha256(unique.encode()).hexdigest())
        self.database.add_version(record.version, spans)
        self.database.add_commit(self.facts.name, record)
        self.database.set_ref(self.facts.name, "branch", branch, record.id)
        return record
