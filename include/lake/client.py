"""One repository of the lake: its refs and versions, and (from `Objects`) its objects.

Steps that a task may run twice (creating a branch, tagging, merging, deleting) say what is true
afterwards instead of failing because it was true before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from include.exceptions import Absent, Conflict
from include.lake.objects import Objects
from include.lake.transport import _LIMITS, NoChanges
from include.lake.types import Change, Commit, ImportState, LakeConnection, LakeObject

__all__ = ["Change", "Commit", "ImportState", "Lake", "LakeConnection", "LakeObject"]


class Lake(Objects):
    """One repository of the lake."""

    # Repositories

    def ping(self) -> str:
        """The server's version; raises where the address or the keys are wrong."""
        with self._errors("the lake"):
            self._client.repositories_api.list_repositories(amount=1, **_LIMITS)
            return str(self._client.config_api.get_config(**_LIMITS).version_config["version"])

    def create_first_user(self, username: str) -> str:
        """Let a lakeFS that has no user yet have one, with this connection's keys; the server's version.

        Raises Unauthorized if it was set up with other keys.
        """
        key = {
            "access_key_id": self.connection.access_key_id,
            "secret_access_key": self.connection.secret_access_key,
        }
        with suppress(Conflict), self._errors("the lake's first user"):
            self._client.internal_api.setup({"username": username, "key": key}, **_LIMITS)
        return self.ping()

    def ensure_repository(self, storage_namespace: str, branch: str = "main") -> None:
        """Create the repository unless it exists."""
        body = {"name": self.repository, "storage_namespace": storage_namespace, "default_branch": branch}
        with suppress(Conflict), self._errors(f"repository {self.repository!r}"):
            self._client.repositories_api.create_repository(body, **_LIMITS)

    # Refs

    def resolve(self, ref: str) -> str:
        """The commit id that a branch, tag, commit prefix or expression (`main~2`) stands for now."""
        return self.get_commit(ref).id

    def get_commit(self, ref: str) -> Commit:
        """The commit that a ref stands for now."""
        what = f"ref {ref!r}"
        answer = self._call(what, "commits.get_commit", ref)
        with self._errors(what):
            return Commit.of(answer)

    def exists(self, ref: str) -> bool:
        """Whether a ref stands for a commit."""
        try:
            self.get_commit(ref)
        except Absent:
            return False
        return True

    def create_branch(self, name: str, source: str) -> str:
        """Create a branch unless it exists; the commit it stands for now.

        Raises Conflict if something else has the name.
        """
        what, body = f"branch {name!r} from {source!r}", {"name": name, "source": source}
        return self._named(what, "branches.create_branch", body, "branches.get_branch", name)

    def delete_branch(self, name: str) -> None:
        """Delete a branch; fine if there is none."""
        with suppress(Absent):
            self._call(f"branch {name!r}", "branches.delete_branch", name)

    def reset_branch(self, name: str, *, path: str = "", prefix: str = "") -> None:
        """Throw away what is not committed on a branch: of one object, below a prefix, or all of it."""
        kind = "object" if path else "common_prefix" if prefix else "reset"
        body = {"type": kind, **({"path": path or prefix} if path or prefix else {})}
        self._call(f"branch {name!r}", "branches.reset_branch", name, body)

    def branches(self, prefix: str = "") -> Iterator[str]:
        """Names of branches, in order."""
        for branch in self._pages("branches", "branches.list_branches", prefix=prefix):
            yield str(branch["id"])

    def create_tag(self, name: str, ref: str) -> str:
        """Tag a commit unless the tag exists; the commit that the tag stands for.

        Raises Conflict if something else has the name.
        """
        what, body = f"tag {name!r} on {ref!r}", {"id": name, "ref": ref}
        return self._named(what, "tags.create_tag", body, "tags.get_tag", name)

    def _named(self, what: str, create: str, body: dict[str, str], get: str, name: str) -> str:
        """Make something that has a name unless it is there; the commit that it stands for.

        A branch and a tag cannot share a name, so that a conflict alone does not say that it is there.
        """
        try:
            self._call(what, create, body)
        except Conflict as conflict:
            try:
                return self._commit_id(what, get, name)
            except Absent:
                raise conflict from None
        return self._commit_id(what, get, name)

    def get_tag(self, name: str) -> str:
        """The commit that a tag stands for; raises Absent if there is no such tag."""
        return self._commit_id(f"tag {name!r}", "tags.get_tag", name)

    def _commit_id(self, what: str, call: str, name: str) -> str:
        answer = self._call(what, call, name)
        with self._errors(what):
            return str(answer["commit_id"])

    def delete_tag(self, name: str) -> None:
        """Delete a tag; fine if there is none."""
        with suppress(Absent):
            self._call(f"tag {name!r}", "tags.delete_tag", name)

    # Versions

    def commit(
        self, branch: str, message: str, metadata: dict[str, str], *, allow_empty: bool = False
    ) -> str | None:
        """Commit what was uploaded to a branch; the commit id, or None where nothing had changed."""
        body = {"message": message, "metadata": metadata, "allow_empty": allow_empty}
        with suppress(NoChanges):
            return self._made(f"commit to {branch!r}", "commits.commit", branch, body)
        return None

    def merge(
        self,
        source: str,
        into: str,
        message: str,
        metadata: dict[str, str],
        *,
        strategy: str = "",
        squash: bool = False,
    ) -> str | None:
        """Merge a ref into a branch; the merge's commit id, or None where there was nothing to merge.

        Raises Conflict if both sides changed the same object since they parted and no `strategy`
        (`dest-wins`, `source-wins`) says which counts.
        """
        what = f"merge of {source!r} into {into!r}"
        body: dict[str, Any] = {"message": message, "metadata": metadata}
        if strategy:
            body["strategy"] = strategy
        if squash:
            body["squash_merge"] = True
        with suppress(NoChanges):
            answer = self._call(what, "refs.merge_into_branch", source, into, merge=body)
            with self._errors(what):
                return str(answer["reference"])
        return None

    def revert(
        self, branch: str, ref: str, message: str, metadata: dict[str, str], *, parent: int = 0
    ) -> str | None:
        """Commit to a branch the reverse of a commit; its id, or None where there was nothing to reverse.

        Of a merge, `parent` (from 1) says against which of its parents.
        """
        body = {**_picked(ref, message, metadata), "parent_number": parent}
        with suppress(NoChanges):
            self._call(f"revert of {ref!r} on {branch!r}", "branches.revert_branch", branch, body)
            return self.resolve(branch)
        return None

    def cherry_pick(
        self, branch: str, ref: str, message: str, metadata: dict[str, str], *, parent: int = 0
    ) -> str | None:
        """Commit to a branch what another commit changed; its id, or None where all of it was there.

        Of a merge, `parent` (from 1) says against which of its parents.
        """
        body = {**_picked(ref, message, metadata), **({"parent_number": parent} if parent else {})}
        with suppress(NoChanges):
            return self._made(f"cherry-pick of {ref!r} to {branch!r}", "branches.cherry_pick", branch, body)
        return None

    def _made(self, what: str, call: str, *arguments: Any) -> str:
        answer = self._call(what, call, *arguments)
        with self._errors(what):
            return str(answer["id"])

    def log(self, ref: str, *, first_parent: bool = False) -> Iterator[Commit]:
        """Commits from a ref back to the first, newest first; with `first_parent` a merge's own side only."""
        what = f"log of {ref!r}"
        for answer in self._pages(what, "refs.log_commits", ref, first_parent=first_parent):
            with self._errors(what):
                commit = Commit.of(answer)
            yield commit

    def diff(self, left: str, right: str, *, prefix: str = "", three_dot: bool = True) -> Iterator[Change]:
        """What differs between two refs, by path.

        Three-dot: what a merge of `right` into `left` would change. Two-dot: what makes `right` of `left`.
        """
        kind = "three_dot" if three_dot else "two_dot"
        what = f"diff of {left!r} and {right!r}"
        return self._changes(what, "refs.diff_refs", left, right, type=kind, prefix=prefix)

    def uncommitted(self, branch: str, *, prefix: str = "") -> Iterator[Change]:
        """What was changed on a branch and not committed, by path."""
        return self._changes(f"changes of {branch!r}", "branches.diff_branch", branch, prefix=prefix)

    def _changes(self, what: str, call: str, *arguments: Any, **options: Any) -> Iterator[Change]:
        for answer in self._pages(what, call, *arguments, **options):
            with self._errors(what):
                change = Change.of(answer)
            yield change

    # Import: a lakeFS server takes objects of its own storage as they lie there

    def start_import(
        self, branch: str, sources: Mapping[str, str], message: str, metadata: dict[str, str]
    ) -> str:
        """Begin to import; the id to ask `import_state` with. Sources: storage URI to path in the lake.

        A URI that ends in `/` stands for all that lies below it. What is imported replaces all objects whose
        paths begin with the path it is given: `t/a` replaces `t/a.bak` too. Raises Misconfigured where the
        server cannot import (the embedded one, or a lakeFS whose settings do not allow it).
        """
        paths = [
            {"path": uri, "destination": path, "type": "common_prefix" if uri.endswith("/") else "object"}
            for uri, path in sources.items()
        ]
        body = {"paths": paths, "commit": {"message": message, "metadata": metadata}}
        return self._made(f"import into {branch!r}", "import.import_start", branch, body)

    def import_state(self, branch: str, id: str) -> ImportState:
        """How far an import is; raises Absent if there is none of this id."""
        what = f"import {id!r} into {branch!r}"
        answer = self._call(what, "import.import_status", branch, id)
        with self._errors(what):
            return ImportState.of(answer)

    def cancel_import(self, branch: str, id: str) -> None:
        """Stop an import; nothing of it is committed; fine if there is none, or if it is complete."""
        with suppress(Absent), suppress(Conflict):
            self._call(f"import {id!r} into {branch!r}", "import.import_cancel", branch, id)


def _picked(ref: str, message: str, metadata: dict[str, str]) -> dict[str, Any]:
    # Picked without metadata for the new commit, the old one gets lost in the cache of lakeFS 1.84.
    return {"ref": ref, "commit_overrides": {"message": message, "metadata": metadata}}
