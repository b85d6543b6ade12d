"""Client of one repository: its refs, its versions, and (from `ObjectClient`) its objects.

Calls that a task may repeat (create a branch, tag, merge, delete) return the state after the call instead of
failing because an earlier attempt already reached it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from include.exceptions import Absent, Conflict
from include.lake.objects import ObjectClient
from include.lake.transport import REQUEST_OPTIONS, NoChanges
from include.lake.types import Change, Commit, ImportStatus, LakeConnection, LakeObject
from include.lake.uncommitted import naming_changes

__all__ = ["Change", "Commit", "ImportStatus", "Lake", "LakeConnection", "LakeObject"]


class Lake(ObjectClient):
    """One repository of a lake.

    lake = Lake(connection, "flights")
    lake.create_branch("work", "main")
    lake.upload("work", "a.csv", Path("a.csv"))
    lake.commit("work", "add a.csv", {})
    lake.merge("work", "main", "publish a.csv", {})
    """

    # Repositories

    def ping(self) -> str:
        """Return the server's version; raises Unavailable or Unauthorized if it cannot be used."""
        with self._errors("the lake"):
            self._client.repositories_api.list_repositories(amount=1, **REQUEST_OPTIONS)
            return str(self._client.config_api.get_config(**REQUEST_OPTIONS).version_config["version"])

    def create_first_user(self, username: str) -> str:
        """Create the first user of a new lakeFS with this connection's keys; return the server's version.

        Does nothing if that user exists. Raises Unauthorized if it was created with other keys.
        """
        key = {
            "access_key_id": self.connection.access_key_id,
            "secret_access_key": self.connection.secret_access_key,
        }
        with suppress(Conflict), self._errors("the lake's first user"):
            self._client.internal_api.setup({"username": username, "key": key}, **REQUEST_OPTIONS)
        return self.ping()

    def ensure_repository_below(self, storage: str, branch: str = "main") -> None:
        """Create the repository unless it exists, in the folder of its name below a storage namespace."""
        self.ensure_repository(f"{storage.removesuffix('/')}/{self.repository}", branch)

    def ensure_repository(self, storage_namespace: str, branch: str = "main") -> None:
        """Create the repository unless it exists."""
        body = {"name": self.repository, "storage_namespace": storage_namespace, "default_branch": branch}
        with suppress(Conflict), self._errors(f"repository {self.repository!r}"):
            self._client.repositories_api.create_repository(body, **REQUEST_OPTIONS)

    def storage_namespace(self) -> str:
        """Return the URI below which the server keeps the repository's objects."""
        subject = f"repository {self.repository!r}"
        response = self._call(subject, "repositories.get_repository")
        with self._errors(subject):
            return str(response["storage_namespace"])

    # Refs

    def resolve(self, ref: str) -> str:
        """Return the id of the commit that a branch, tag, id prefix or expression (`main~2`) points to."""
        return self.get_commit(ref).id

    def get_commit(self, ref: str) -> Commit:
        """Return the commit that a ref points to; raises Absent if there is no such ref."""
        subject = f"ref {ref!r}"
        response = self._call(subject, "commits.get_commit", ref)
        with self._errors(subject):
            return Commit.of(response)

    def ref_exists(self, ref: str) -> bool:
        """Return whether a ref points to a commit."""
        try:
            self.get_commit(ref)
        except Absent:
            return False
        return True

    def create_branch(self, name: str, source: str) -> str:
        """Create a branch unless it exists; return the id of the commit that it points to.

        Raises Conflict if a tag has the name.
        """
        subject, body = f"branch {name!r} from {source!r}", {"name": name, "source": source}
        return self._create_ref(subject, "branches.create_branch", body, "branches.get_branch", name)

    def delete_branch(self, name: str) -> None:
        """Delete a branch; does nothing if there is no such branch."""
        with suppress(Absent):
            self._call(f"branch {name!r}", "branches.delete_branch", name)

    def reset_branch(self, name: str, *, path: str = "", prefix: str = "") -> None:
        """Discard uncommitted changes of a branch: those of one object, below a prefix, or all."""
        kind = "object" if path else "common_prefix" if prefix else "reset"
        body = {"type": kind, **({"path": path or prefix} if path or prefix else {})}
        self._call(f"branch {name!r}", "branches.reset_branch", name, body)

    def list_branches(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of the branches that begin with `prefix`, in order."""
        for branch in self._pages("branches", "branches.list_branches", prefix=prefix):
            yield str(branch["id"])

    def create_tag(self, name: str, ref: str) -> str:
        """Tag a commit unless the tag exists; return the id of the commit that the tag points to.

        Raises Conflict if a branch has the name.
        """
        subject, body = f"tag {name!r} on {ref!r}", {"id": name, "ref": ref}
        return self._create_ref(subject, "tags.create_tag", body, "tags.get_tag", name)

    def _create_ref(self, subject: str, create: str, body: dict[str, str], get: str, name: str) -> str:
        """Create a branch or tag unless it exists; return the id of its commit.

        A branch and a tag cannot share a name, so a conflict can also mean that the other kind exists.
        """
        try:
            self._call(subject, create, body)
        except Conflict as conflict:
            try:
                return self._commit_id(subject, get, name)
            except Absent:
                raise conflict from None
        return self._commit_id(subject, get, name)

    def get_tag(self, name: str) -> str:
        """Return the id of the commit that a tag points to; raises Absent if there is no such tag."""
        return self._commit_id(f"tag {name!r}", "tags.get_tag", name)

    def _commit_id(self, subject: str, operation: str, name: str) -> str:
        response = self._call(subject, operation, name)
        with self._errors(subject):
            return str(response["commit_id"])

    def delete_tag(self, name: str) -> None:
        """Delete a tag; does nothing if there is no such tag."""
        with suppress(Absent):
            self._call(f"tag {name!r}", "tags.delete_tag", name)

    # Versions

    def commit(
        self, branch: str, message: str, metadata: dict[str, str], *, allow_empty: bool = False
    ) -> str | None:
        """Commit the changes of a branch; return the commit's id, or None if there are no changes."""
        body = {"message": message, "metadata": metadata, "allow_empty": allow_empty}
        with suppress(NoChanges):
            return self._call_for_id(f"commit to {branch!r}", "commits.commit", branch, body)
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
        """Merge a ref into a branch; return the merge commit's id, or None if there is nothing to merge.

        `strategy` resolves conflicts: `dest-wins` or `source-wins`. Raises Conflict if both sides changed
        the same object since their merge base and no strategy is set, UncommittedChanges if `into` has some.
        """
        subject = f"merge of {source!r} into {into!r}"
        body: dict[str, Any] = {"message": message, "metadata": metadata}
        if strategy:
            body["strategy"] = strategy
        if squash:
            body["squash_merge"] = True
        with suppress(NoChanges), naming_changes(self, into, subject):
            response = self._call(subject, "refs.merge_into_branch", source, into, merge=body)
            with self._errors(subject):
                return str(response["reference"])
        return None

    def merge_base(self, source: str, into: str) -> str:
        """Return the id of the nearest common ancestor of two refs."""
        subject = f"merge base of {source!r} and {into!r}"
        response = self._call(subject, "refs.find_merge_base", source, into)
        with self._errors(subject):
            return str(response["base_commit_id"])

    def revert(
        self, branch: str, ref: str, message: str, metadata: dict[str, str], *, parent_number: int = 0
    ) -> str | None:
        """Commit the inverse of a commit to a branch; return the new id, or None if nothing changes.

        For a merge commit, `parent_number` (from 1) is the parent to revert to.
        """
        body = {**_commit_to_apply(ref, message, metadata), "parent_number": parent_number}
        subject = f"revert of {ref!r} on {branch!r}"
        with suppress(NoChanges), naming_changes(self, branch, subject):
            self._call(subject, "branches.revert_branch", branch, body)
            return self.resolve(branch)
        return None

    def cherry_pick(
        self, branch: str, ref: str, message: str, metadata: dict[str, str], *, parent_number: int = 0
    ) -> str | None:
        """Commit the changes of another commit to a branch; return the new id, or None if nothing changes.

        For a merge commit, `parent_number` (from 1) is the parent to compare with.
        """
        body = _commit_to_apply(ref, message, metadata)
        if parent_number:
            body["parent_number"] = parent_number
        subject = f"cherry-pick of {ref!r} to {branch!r}"
        with suppress(NoChanges), naming_changes(self, branch, subject):
            return self._call_for_id(subject, "branches.cherry_pick", branch, body)
        return None

    def _call_for_id(self, subject: str, operation: str, *arguments: Any) -> str:
        response = self._call(subject, operation, *arguments)
        with self._errors(subject):
            return str(response["id"])

    def log(self, ref: str, *, first_parent: bool = False, prefix: str = "") -> Iterator[Commit]:
        """Yield the commits that a ref contains, newest first.

        With `first_parent`, follow only the first parent of each merge. With `prefix`, yield those that
        change paths below it, one a request: the server compares commits until it has found so many.
        """
        subject = f"log of {ref!r}"
        options: dict[str, Any] = {"prefixes": [prefix], "amount": 1} if prefix else {}
        for entry in self._pages(subject, "refs.log_commits", ref, first_parent=first_parent, **options):
            with self._errors(subject):
                commit = Commit.of(entry)
            yield commit

    def diff(self, left: str, right: str, *, prefix: str = "", three_dot: bool = True) -> Iterator[Change]:
        """Yield the paths below `prefix` that differ between two refs.

        Three-dot: what a merge of `right` into `left` would change. Two-dot: what turns `left` into `right`.
        """
        diff_type = "three_dot" if three_dot else "two_dot"
        subject = f"diff of {left!r} and {right!r}"
        return self._changes(subject, "refs.diff_refs", left, right, type=diff_type, prefix=prefix)

    def uncommitted(self, branch: str, *, prefix: str = "") -> Iterator[Change]:
        """Yield the uncommitted changes of a branch below `prefix`, ordered by path."""
        return self._changes(f"changes of {branch!r}", "branches.diff_branch", branch, prefix=prefix)

    def _changes(self, subject: str, operation: str, *arguments: Any, **options: Any) -> Iterator[Change]:
        for entry in self._pages(subject, operation, *arguments, **options):
            with self._errors(subject):
                change = Change.of(entry)
            yield change

    # Import: a lakeFS server references objects of its own storage without copying them

    def start_import(
        self, branch: str, sources: Mapping[str, str], message: str, metadata: dict[str, str]
    ) -> str:
        """Start an import of `sources` (storage URI to path in the lake); return its id.

        A URI that ends in `/` stands for all objects below it. An import replaces every object whose path
        begins with the destination: importing to `t/a` replaces `t/a.bak`, too. Raises Misconfigured if the
        server cannot import: the embedded lake, or a lakeFS whose settings do not allow it.

        Imports: https://docs.lakefs.io/howto/import.html
        """
        paths = [
            {"path": uri, "destination": path, "type": "common_prefix" if uri.endswith("/") else "object"}
            for uri, path in sources.items()
        ]
        body = {"paths": paths, "commit": {"message": message, "metadata": metadata}}
        subject = f"import into {branch!r}"
        with naming_changes(self, branch, subject):
            return self._call_for_id(subject, "import.import_start", branch, body)

    def import_status(self, branch: str, id: str) -> ImportStatus:
        """Return the progress of an import; raises Absent if there is no import of this id."""
        subject = f"import {id!r} into {branch!r}"
        response = self._call(subject, "import.import_status", branch, id)
        with self._errors(subject):
            return ImportStatus.of(response)

    def cancel_import(self, branch: str, id: str) -> None:
        """Cancel an import, so that nothing is committed; does nothing if it is complete or absent."""
        with suppress(Absent), suppress(Conflict):
            self._call(f"import {id!r} into {branch!r}", "import.import_cancel", branch, id)


def _commit_to_apply(ref: str, message: str, metadata: dict[str, str]) -> dict[str, Any]:
    # Without overrides, the original commit loses its metadata in the commit cache of lakeFS 1.84. Drop once
    # a lakeFS keeps it (https://github.com/treeverse/lakeFS/pull/7865 added the overrides).
    return {"ref": ref, "commit_overrides": {"message": message, "metadata": metadata}}
