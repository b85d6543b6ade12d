"""A repository through the published client `lakefs-client`, with short calls."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3
from lakefs_client import Configuration
from lakefs_client.client import LakeFSClient
from lakefs_client.exceptions import ApiException
from lakefs_client.model.branch_creation import BranchCreation
from lakefs_client.model.commit_creation import CommitCreation
from lakefs_client.model.merge import Merge
from lakefs_client.model.tag_creation import TagCreation

from include.lake.client import LakeConnection


def client_of(connection: LakeConnection) -> LakeFSClient:
    return LakeFSClient(
        Configuration(
            host=connection.endpoint,
            username=connection.access_key_id,
            password=connection.secret_access_key,
        )
    )


def ask(connection: LakeConnection, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Send a request that the published client would not send; return its status and JSON."""
    keys = f"{connection.access_key_id}:{connection.secret_access_key}".encode()
    sent = {"Authorization": f"Basic {b64encode(keys).decode()}", **headers}
    answer = urllib3.request(method, f"{connection.endpoint}/api/v1/{path}", headers=sent, json=body)
    return answer.status, answer.json()


@contextmanager
def refused(status: int, message: str) -> Iterator[None]:
    """Assert that the block's request is refused with a status and a message that contains `message`."""
    with pytest.raises(ApiException) as caught:
        yield
    assert (caught.value.status, message in caught.value.body) == (status, True), caught.value.body


@dataclass(frozen=True)
class Repo:
    """A repository, used through `lakefs-client`."""

    client: LakeFSClient
    name: str

    def branch(self, name: str, source: str = "main") -> str:
        return str(
            self.client.branches_api.create_branch(self.name, BranchCreation(name=name, source=source))
        )

    def tag(self, name: str, ref: str = "main") -> Any:
        return self.client.tags_api.create_tag(self.name, TagCreation(id=name, ref=ref))

    def put(self, path: str, content: bytes = b"x", branch: str = "main", **options: Any) -> Any:
        body = io.BytesIO(content)
        body.name = "content"  # the client wants a file with a name
        return self.client.objects_api.upload_object(self.name, branch, path, content=body, **options)

    def get(self, path: str, ref: str = "main", **options: Any) -> bytes:
        # Not as a file: the client cannot read a name of it out of a real lakeFS's answer.
        answer = self.client.objects_api.get_object(self.name, ref, path, _preload_content=False, **options)
        try:
            return bytes(answer.read())
        finally:
            answer.release_conn()

    def delete(self, path: str, branch: str = "main") -> None:
        self.client.objects_api.delete_object(self.name, branch, path)

    def list(self, ref: str = "main", **options: Any) -> list[str]:
        return [row["path"] for row in self.page(ref, **options).results]

    def page(self, ref: str = "main", **options: Any) -> Any:
        return self.client.objects_api.list_objects(self.name, ref, **options)

    def commit(self, message: str = "m", branch: str = "main", **fields: Any) -> Any:
        return self.client.commits_api.commit(self.name, branch, CommitCreation(message=message, **fields))

    def save(self, branch: str = "main", **contents: bytes | None) -> str:
        """Write (None: delete) objects and commit them; the commit's id."""
        for path, content in contents.items():
            if content is None:
                self.delete(path, branch)
            else:
                self.put(path, content, branch)
        return str(self.commit(branch=branch).id)

    def merge(self, source: str, into: str = "main", **fields: Any) -> str:
        return str(
            self.client.refs_api.merge_into_branch(self.name, source, into, merge=Merge(**fields)).reference
        )

    def diff(self, left: str, right: str, **options: Any) -> dict[str, str]:
        """Each path that differs, and how."""
        found = self.client.refs_api.diff_refs(self.name, left, right, **options)
        return {row.path: row.type for row in found.results}

    def uncommitted(self, branch: str = "main") -> dict[str, str]:
        found = self.client.branches_api.diff_branch(self.name, branch)
        return {row.path: row.type for row in found.results}

    def log(self, ref: str = "main", **options: Any) -> Sequence[str]:
        """Messages of the commits, newest first."""
        return [row.message for row in self.client.refs_api.log_commits(self.name, ref, **options).results]

    def contents(self, ref: str = "main") -> dict[str, bytes]:
        return {path: self.get(path, ref) for path in self.list(ref)}
