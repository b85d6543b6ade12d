"""Branches, tags and ref expressions: their names, the commits they resolve to, and their protection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, cast

from include.platform.embedded.lakefs.database import CommitRecord, Database, Repository
from include.platform.embedded.lakefs.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Forbidden,
    NotFound,
)
from include.platform.embedded.lakefs.events import Approval, Event, Gate

if TYPE_CHECKING:
    from include.platform.embedded.lakefs.staging import RepositoryObjects

REPOSITORY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
BRANCH_NAME = re.compile(r"\w[-\w]*", re.ASCII)
PROTECTED = "protected_branches"
_MAX_TRIES = 5
"""Times that the hooks of a change run if its branch moves meanwhile."""
_TAG_FORBIDDEN = re.compile(r"[\x00-\x20^:?*\[\\/]|\.\.|@\{|^@$|\.$|\.lock$|^$")
_REF = re.compile(r"(?P<base>[^~^@$\s]+)(?P<steps>(?:[~^]\d{0,9}|[@$])*)", re.ASCII)


class Position(NamedTuple):
    """What a ref resolves to: a commit, and the branch whose staged changes apply on top of it, if any."""

    commit: CommitRecord
    branch: str | None


@dataclass(frozen=True)
class Refs:
    """Refs of one repository, in the server's database."""

    database: Database
    facts: Repository
    hooks: Gate | None = None

    # Expressions

    def resolve(self, expression: str) -> Position:
        """Resolve a ref: a branch, a tag, a commit id or its beginning, followed by `~n` and `^n`.

        After a branch, `@` means its last commit and `$` includes what is staged on top of it.
        """
        match = _REF.fullmatch(expression)
        if match is None:
            raise BadRequest(f"ref {expression!r} is not valid")
        commit, branch = self._base(match["base"])
        steps = re.findall(r"([~^@$])(\d*)", match["steps"])
        if any(step in "@$" for step, _ in steps):
            if branch is None or len(steps) > 1:
                raise BadRequest(f"ref {expression!r} is not valid: '@' and '$' follow a branch only")
            return Position(commit, branch if steps[0][0] == "$" else None)
        for step, count in steps:
            commit = self._step(commit, step, int(count) if count else 1)
        return Position(commit, None if steps else branch)

    def commit_at(self, expression: str) -> CommitRecord:
        """Return the commit that a ref resolves to."""
        if expression.endswith("$"):
            raise BadRequest(f"reference {expression!r}: reference to staging area with $ is not a commit")
        return self.resolve(expression).commit

    # Branches

    def branch(self, name: str) -> CommitRecord:
        """Return the last commit of a branch."""
        self._check_branch_name(name)
        commit = self.database.ref(self.facts.name, "branch", name)
        if commit is None:
            raise NotFound(f"branch {name!r} not found")
        return self.commit_of(commit)

    def create_branch(self, name: str, source: str, *, force: bool = False, hidden: bool = False) -> str:
        """Create a branch from a ref, and return its commit id."""
        self._check_branch_name(name)

        def propose() -> Event:
            self.refuse_read_only(force)
            self._refuse_taken("branch", name)
            return Event("create-branch", source, branch=name, commit_id=self.commit_at(source).id)

        def publish(event: Event) -> None:
            self.database.set_ref(self.facts.name, "branch", name, event.commit_id, hidden=hidden)

        return self._guarded(propose, publish).commit_id

    def delete_branch(self, name: str, *, force: bool = False) -> None:
        """Delete a branch with its staged changes."""

        def propose() -> Event:
            self.refuse_read_only(force)
            if name == self.facts.default_branch:
                raise Forbidden("cannot delete repository default branch")
            return Event("delete-branch", self.branch(name).id, branch=name)

        def publish(_: Event) -> None:
            self.database.clear_staging(self.facts.name, name)
            self.database.remove_ref(self.facts.name, "branch", name)

        self._guarded(propose, publish)

    # Tags

    def tag(self, name: str) -> str:
        """Return the commit id of a tag."""
        self._check_tag_name(name)
        commit = self.database.ref(self.facts.name, "tag", name)
        if commit is None:
            raise NotFound(f"tag {name!r} not found")
        return commit

    def create_tag(self, name: str, source: str, *, force: bool = False) -> str:
        """Create a tag on a ref, and return its commit id."""
        self._check_tag_name(name)

        def propose() -> Event:
            self.refuse_read_only(force)
            self._refuse_taken("tag", name)
            commit = self.commit_at(source).id
            return Event("create-tag", commit, tag=name, commit_id=commit)

        def publish(event: Event) -> None:
            self.database.set_ref(self.facts.name, "tag", name, event.commit_id)

        return self._guarded(propose, publish).commit_id

    def delete_tag(self, name: str, *, force: bool = False) -> None:
        """Delete a tag."""

        def propose() -> Event:
            self.refuse_read_only(force)
            commit = self.tag(name)
            return Event("delete-tag", commit, tag=name, commit_id=commit)

        self._guarded(propose, lambda _: self.database.remove_ref(self.facts.name, "tag", name))

    # Hooks

    def _guarded(
        self,
        propose: Callable[[], Event],
        publish: Callable[[Event], None],
        is_current: Callable[[Event], bool] | None = None,
        seal: Callable[[Event], None] = lambda _: None,
    ) -> Event:
        """Make a change that hooks may refuse; return its event.

        Without hooks it is one transaction. With hooks, `propose` and `publish` are two, and the hooks run in
        between while no lock is held; if the change is not current any more, it is proposed again. `seal`
        notes what the hooks are going to see.
        """
        for _ in range(_MAX_TRIES):
            with self.database.transaction():
                event = propose()
                approval = self._approval(event)
                if approval is None:
                    publish(event)
                    break
                seal(event)
            approval()
            with self.database.transaction():
                if is_current(event) if is_current else propose() == event:
                    publish(event)
                    break
        else:
            raise ApiError("the branch moved while the hooks ran, each time: try again", 429)
        if self.hooks:
            self.hooks.after(cast("RepositoryObjects", self), event, approval)
        return event

    def _approval(self, event: Event, moment: str = "pre") -> Approval | None:
        return self.hooks.before(cast("RepositoryObjects", self), event, moment) if self.hooks else None

    # Protection

    def refuse_read_only(self, force: bool) -> None:
        """Raise Forbidden if the repository is read-only, unless forced."""
        if self.facts.read_only and not force:
            raise Forbidden(f"read-only repository: {self.facts.name!r} takes changes only with force")

    def refuse_protected(self, branch: str, action: str) -> None:
        """Raise Forbidden if a branch is protected.

        As in lakeFS, a protected branch still takes merges, reverts and cherry-picks.
        """
        patterns = self.database.setting(self.facts.name, PROTECTED) or []
        if any(fnmatchcase(branch, pattern) for pattern in patterns):
            raise Forbidden(f"cannot {action} to protected branch {branch!r}")

    # Steps of the above

    def commit_of(self, commit_id: str) -> CommitRecord:
        """Return the commit with a complete id."""
        commit = self.database.commit(self.facts.name, commit_id)
        if commit is None:
            raise NotFound(f"commit {commit_id!r} not found")
        return commit

    def _base(self, name: str) -> Position:
        for kind in ("branch", "tag"):
            if commit := self.database.ref(self.facts.name, kind, name):
                return Position(self.commit_of(commit), name if kind == "branch" else None)
        if re.fullmatch(r"[0-9a-f]{1,64}", name):
            ids = self.database.commits_like(self.facts.name, name)
            if len(ids) == 1:
                return Position(self.commit_of(ids[0]), None)
        raise NotFound(f"ref {name!r} not found")

    def _step(self, commit: CommitRecord, step: str, count: int) -> CommitRecord:
        if step == "^":
            if count > len(commit.parents):
                raise BadRequest(f"ref is not valid: commit {commit.id} has no parent number {count}")
            return self.commit_of(commit.parents[count - 1]) if count else commit
        for _ in range(count):
            if not commit.parents:
                raise NotFound(f"commit {commit.id} has no parent")
            commit = self.commit_of(commit.parents[0])
        return commit

    def _check_branch_name(self, name: str) -> None:
        if not BRANCH_NAME.fullmatch(name):
            raise BadRequest(
                f"branch name {name!r} is not valid: it consists of letters, digits, underscores and dashes, "
                "and cannot start with a dash"
            )

    def _check_tag_name(self, name: str) -> None:
        if _TAG_FORBIDDEN.search(name):
            raise BadRequest(f"tag name {name!r} is not valid: it may not hold spaces or any of '^:?*[\\/'")

    def _refuse_taken(self, kind: str, name: str) -> None:
        """Raise AlreadyExists if a branch, a tag or a commit has the name."""
        for taken in ("branch", "tag"):
            if self.database.ref(self.facts.name, taken, name):
                what = "already exists: not unique" if taken == kind else f"{name!r}: conflict found"
                raise AlreadyExists(f"{taken} {what}")
        if self.database.commit(self.facts.name, name):
            raise AlreadyExists(f"commit ID {name!r}: conflict found")
