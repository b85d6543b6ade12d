"""One repository of the lake, and the only module that knows `lakefs-client`.

Every call either returns plain records or raises a class of `include.exceptions`. Steps that a task
may run twice (creating a branch, tagging, merging, deleting) say what is true afterwards instead of
failing because it was true before.

API: https://docs.lakefs.io/reference/api.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from include.exceptions import (
    Absent,
    Conflict,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)

_PAGE = 1000
_TIMEOUT = (3.05, 120)
"""Seconds to connect, and seconds without a byte."""


@dataclass(frozen=True, kw_only=True)
class LakeConnection:
    """Where the lake is and who asks. `endpoint` is `http(s)://host:port`."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    verify_tls: bool = True

    def __repr__(self) -> str:
        return f"LakeConnection(endpoint={self.endpoint!r}, access_key_id={self.access_key_id!r})"


@dataclass(frozen=True)
class Commit:
    """An immutable version of the repository."""

    id: str
    message: str
    created: datetime
    metadata: dict[str, str]
    parents: tuple[str, ...]


@dataclass(frozen=True)
class LakeObject:
    """An object of one version: `size` in bytes, `checksum` as the server states it."""

    path: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Change:
    """One path that differs between two versions; `kind` is added, changed, removed or conflict."""

    path: str
    kind: str


class Lake:
    """One repository of the lake.

    Opening it costs nothing: the client is made at the first call, and each call is one request
    (paged lists: one a thousand entries).
    """

    def __init__(self, connection: LakeConnection, repository: str) -> None:
        self.connection = connection
        self.repository = repository

    def __repr__(self) -> str:
        return f"Lake({self.connection.endpoint!r}, {self.repository!r})"

    @cached_property
    def _client(self) -> Any:
        import urllib3
        from lakefs_client import Configuration
        from lakefs_client.client import LakeFSClient

        configuration = Configuration(
            host=self.connection.endpoint,
            username=self.connection.access_key_id,
            password=self.connection.secret_access_key,
        )
        configuration.verify_ssl = self.connection.verify_tls
        configuration.connection_pool_maxsize = 16
        # Only connecting is retried here: an answer that got lost may have taken effect, and the task's
        # own retry looks for it first.
        configuration.retries = urllib3.Retry(connect=2, read=0, redirect=2, status=0, backoff_factor=0.2)
        return LakeFSClient(configuration)

    # Repositories

    def ping(self) -> str:
        """The server's version; raises where the address or the keys are wrong."""
        with self._errors("the lake"):
            self._client.repositories_api.list_repositories(amount=1, **_LIMITS)
            return str(self._client.config_api.get_config(**_LIMITS).version_config["version"])

    def ensure_repository(self, storage_namespace: str, branch: str = "main") -> None:
        """Create the repository unless it exists."""
        from lakefs_client.model.repository_creation import RepositoryCreation

        with _unless(Conflict), self._errors(f"repository {self.repository!r}"):
            creation = RepositoryCreation(
                name=self.repository, storage_namespace=storage_namespace, default_branch=branch
            )
            self._client.repositories_api.create_repository(creation, **_LIMITS)

    # Refs

    def commit_of(self, ref: str) -> str:
        """The commit id that a branch, tag, commit prefix or expression (`main~2`) stands for now."""
        return self.commit(ref).id

    def commit(self, ref: str) -> Commit:
        """The commit that a ref stands for now."""
        with self._errors(f"ref {ref!r}"):
            return _commit(self._client.commits_api.get_commit(self.repository, ref, **_LIMITS))

    def exists(self, ref: str) -> bool:
        """Whether a ref stands for a commit."""
        try:
            self.commit(ref)
        except Absent:
            return False
        return True

    def create_branch(self, name: str, source: str) -> str:
        """Create a branch unless it exists; the commit it stands for now."""
        from lakefs_client.model.branch_creation import BranchCreation

        with _unless(Conflict), self._errors(f"branch {name!r} from {source!r}"):
            self._client.branches_api.create_branch(
                self.repository, BranchCreation(name=name, source=source), **_LIMITS
            )
        return self.commit_of(name)

    def delete_branch(self, name: str) -> None:
        """Delete a branch; fine if there is none."""
        with _unless(Absent), self._errors(f"branch {name!r}"):
            self._client.branches_api.delete_branch(self.repository, name, **_LIMITS)

    def branches(self, prefix: str = "") -> Iterator[str]:
        """Names of branches, in order."""
        call = self._client.branches_api.list_branches
        with self._errors("branches"):
            for branch in _pages(lambda **page: call(self.repository, prefix=prefix, **page)):
                yield str(branch["id"])

    def tag(self, name: str, ref: str) -> str:
        """Tag a commit unless the tag exists; the commit that the tag stands for."""
        from lakefs_client.model.tag_creation import TagCreation

        with _unless(Conflict), self._errors(f"tag {name!r} on {ref!r}"):
            self._client.tags_api.create_tag(self.repository, TagCreation(id=name, ref=ref), **_LIMITS)
        return self.commit_of(name)

    # Versions

    def save(
        self, branch: str, message: str, metadata: dict[str, str], *, allow_empty: bool = False
    ) -> str | None:
        """Commit what was uploaded to a branch; the commit id, or None where nothing had changed."""
        from lakefs_client.model.commit_creation import CommitCreation

        with _unless(_NoChanges), self._errors(f"commit to {branch!r}"):
            creation = CommitCreation(message=message, metadata=metadata, allow_empty=allow_empty)
            return str(self._client.commits_api.commit(self.repository, branch, creation, **_LIMITS).id)
        return None

    def merge(self, source: str, into: str, message: str, metadata: dict[str, str]) -> str | None:
        """Merge a ref into a branch; the merge's commit id, or None where there was nothing to merge.

        Raises Conflict if both sides changed the same object since they parted.
        """
        from lakefs_client.model.merge import Merge

        with _unless(_NoChanges), self._errors(f"merge of {source!r} into {into!r}"):
            answer = self._client.refs_api.merge_into_branch(
                self.repository, source, into, merge=Merge(message=message, metadata=metadata), **_LIMITS
            )
            return str(answer.reference)
        return None

    def log(self, ref: str) -> Iterator[Commit]:
        """Commits from a ref back to the first, newest first."""
        call = self._client.refs_api.log_commits
        with self._errors(f"log of {ref!r}"):
            for commit in _pages(lambda **page: call(self.repository, ref, **page)):
                yield _commit(commit)

    def diff(self, left: str, right: str) -> Iterator[Change]:
        """What a merge of `right` into `left` would change (three-dot diff), by path."""
        call = self._client.refs_api.diff_refs
        with self._errors(f"diff of {left!r} and {right!r}"):
            for change in _pages(lambda **page: call(self.repository, left, right, type="three_dot", **page)):
                yield Change(str(change["path"]), str(change["type"]))

    # Objects

    def list(self, ref: str, prefix: str = "", after: str = "") -> Iterator[LakeObject]:
        """Objects below a prefix whose path comes after `after`, in the order of their paths."""
        call = self._client.objects_api.list_objects
        with self._errors(f"objects of {ref!r} below {prefix!r}"):
            for item in _pages(lambda **page: call(self.repository, ref, prefix=prefix, **page), after):
                yield _object(item)

    def folders(self, ref: str, prefix: str) -> Iterator[str]:
        """The common prefixes one level below a prefix, each ending in `/`."""
        call = self._client.objects_api.list_objects
        with self._errors(f"folders of {ref!r} below {prefix!r}"):
            for item in _pages(
                lambda **page: call(self.repository, ref, prefix=prefix, delimiter="/", **page)
            ):
                if item["path_type"] == "common_prefix":
                    yield str(item["path"])

    def upload(self, branch: str, path: str, file: Path) -> LakeObject:
        """Upload a file to a branch; it is seen by others once it is committed and merged.

        The client reads the whole file into memory: keep files below some 100 MiB.
        """
        with file.open("rb") as content, self._errors(f"upload of {path!r} to {branch!r}"):
            answer = self._client.objects_api.upload_object(
                self.repository, branch, path, content=content, **_LIMITS
            )
        return _object(answer)

    def download(self, ref: str, path: str) -> bytes:
        """The content of an object."""
        with self._errors(f"object {path!r} of {ref!r}"):
            answer = self._client.objects_api.get_object(
                self.repository, ref, path, _preload_content=False, **_LIMITS
            )
            try:
                return bytes(answer.read())
            finally:
                answer.release_conn()

    def delete(self, branch: str, path: str) -> None:
        """Delete an object from a branch; fine if there is none."""
        with _unless(Absent), self._errors(f"object {path!r} of {branch!r}"):
            self._client.objects_api.delete_object(self.repository, branch, path, **_LIMITS)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Map the client's exceptions onto ours; `what` names the thing asked for."""
        import urllib3
        from lakefs_client.exceptions import ApiException, OpenApiException

        try:
            yield
        except ApiException as error:
            raise self._mapped(error, what) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(
                f"the lake at {self.connection.endpoint!r} does not answer ({type(error).__name__}) "
                f"while asking for {what}; start it, or correct the connection's host"
            ) from error
        except (OpenApiException, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error.__context__, ApiException):  # an error's body that is no UTF-8
                raise self._mapped(error.__context__, what) from error
            raise Misconfigured(
                f"{what}: lakefs-client cannot send this, or what the lake at {self.connection.endpoint!r} "
                f"answered is not of lakeFS ({error}); correct the name, or the connection's host"
            ) from error

    def _mapped(self, error: Any, what: str) -> MillraceError:
        where = f"{what} in repository {self.repository!r} at {self.connection.endpoint!r}"
        said = _message(error)
        if error.status == 400 and "no changes" in said:
            return _NoChanges(f"{where}: {said}")
        if error.status in (401, 403):
            return Unauthorized(
                f"the lake refused access key {self.connection.access_key_id!r} for {where} "
                f"({error.status}): set the connection's login and password to a key pair that may do this"
            )
        if error.status == 404:
            return Absent(f"there is no {where}: {said}")
        if error.status in (409, 412):
            return Conflict(
                f"{where}: {said}; somebody changed it meanwhile, run the step again from its start"
            )
        if error.status in (408, 420, 423, 429) or (error.status >= 500 and error.status != 501):
            return Transient(f"the lake answered {error.status} for {where}: {said}")
        return Misconfigured(f"the lake answered {error.status} for {where}: {said}")


class _NoChanges(MillraceError):
    """A commit or merge had nothing to do."""


# Without its check of types an answer is not walked twice; nested values are plain dicts then.
_LIMITS = {"_request_timeout": _TIMEOUT, "_check_return_type": False}


@contextmanager
def _unless(cause: type[MillraceError]) -> Iterator[None]:
    """Let a call end without effect for the one cause that means: it is already so."""
    try:
        yield
    except cause:
        return


def _pages(call: Callable[..., Any], after: str = "") -> Iterator[Any]:
    while True:
        answer = call(after=after, amount=_PAGE, **_LIMITS)
        yield from answer.results
        if not answer.pagination["has_more"]:
            return
        after = answer.pagination["next_offset"]


def _object(answer: Any) -> LakeObject:
    return LakeObject(str(answer["path"]), int(answer["size_bytes"]), str(answer["checksum"]))


def _commit(answer: Any) -> Commit:
    return Commit(
        id=str(answer["id"]),
        message=str(answer["message"]),
        created=datetime.fromtimestamp(answer["creation_date"], UTC),
        metadata=dict(answer.get("metadata") or {}),
        parents=tuple(answer["parents"]),
    )


def _message(error: Any) -> str:
    import json

    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
