"""Bodies of responses, named and shaped as in lakeFS's published API.

They are the return types of the routes, so a response is checked against them before it is sent, and
`/openapi.json` describes them.
"""

from __future__ import annotations

from typing import Generic, Literal, NotRequired, TypeVar

# Pydantic needs the later one before Python 3.12.
from typing_extensions import TypedDict

Row = TypeVar("Row")
PathType = Literal["object", "common_prefix"]
Metadata = dict[str, str]


class Error(TypedDict):
    """Why a request was refused, or failed."""

    message: str


class Pagination(TypedDict):
    """Where a page of a listing ends."""

    has_more: bool
    next_offset: str
    results: int
    max_per_page: int


class Page(TypedDict, Generic[Row]):
    """A page of a listing."""

    pagination: Pagination
    results: list[Row]


class Repository(TypedDict):
    """A repository."""

    id: str
    creation_date: int
    default_branch: str
    storage_namespace: str
    storage_id: str
    read_only: bool


class Ref(TypedDict):
    """A branch or a tag."""

    id: str
    commit_id: str


class Commit(TypedDict):
    """A commit."""

    id: str
    parents: list[str]
    committer: str
    message: str
    creation_date: int
    meta_range_id: str
    metadata: Metadata
    generation: int
    version: int


class MergeResult(TypedDict):
    """The commit that a merge made; empty, with a message, if there were conflicts."""

    reference: str
    message: NotRequired[str]


class MergeBase(TypedDict):
    """The commits of a merge that is to be made."""

    source_commit_id: str
    destination_commit_id: str
    base_commit_id: str


class ObjectStats(TypedDict):
    """Properties of an object, or a common prefix of objects."""

    path: str
    path_type: PathType
    physical_address: str
    checksum: str
    mtime: int
    size_bytes: NotRequired[int]
    content_type: NotRequired[str]
    metadata: NotRequired[Metadata]


class DiffObjectStat(TypedDict):
    """Properties of an object on the right side of a difference."""

    checksum: str
    mtime: int
    content_type: str
    metadata: Metadata


class Diff(TypedDict):
    """A difference at one path, or below one prefix."""

    type: Literal["added", "removed", "changed", "conflict", "prefix_changed"]
    path: str
    path_type: PathType
    size_bytes: NotRequired[int]
    right: NotRequired[DiffObjectStat]


class ObjectError(TypedDict):
    """Why one of several objects was not deleted."""

    path: str
    status_code: int
    message: str


class ObjectErrors(TypedDict):
    """The objects of a request that were not deleted."""

    errors: list[ObjectError]


class UnderlyingProperties(TypedDict):
    """What the store knows of an object."""

    storage_class: str | None


class ActionRun(TypedDict):
    """A run of a repository's actions."""

    run_id: str
    branch: str
    commit_id: str
    event_type: str
    start_time: str
    end_time: str
    status: Literal["completed", "failed"]


class HookRun(TypedDict):
    """A run of one hook."""

    hook_run_id: str
    action: str
    hook_id: str
    start_time: str
    status: Literal["completed", "failed", "skipped"]
    end_time: NotRequired[str]


class ProtectionRule(TypedDict):
    """A pattern of protected branches."""

    pattern: str


class LoginConfig(TypedDict):
    """How people log in."""

    RBAC: str
    login_url: str
    login_cookie_names: list[str]
    logout_url: str


class SetupState(TypedDict):
    """Whether the server is set up."""

    state: str
    comm_prefs_missing: bool
    login_config: LoginConfig


class AuthenticationToken(TypedDict):
    """What stands for a pair of keys; the expiration in seconds since 1970."""

    token: str
    token_expiration: int


class User(TypedDict):
    """A user."""

    id: str
    creation_date: int


class CurrentUser(TypedDict):
    """Who asks."""

    user: User


class VersionConfig(TypedDict):
    """The version of lakeFS whose behaviour is reproduced."""

    version: str


class StorageConfig(TypedDict):
    """What the store can do."""

    blockstore_type: str
    blockstore_namespace_example: str
    blockstore_namespace_ValidityRegex: str
    default_namespace_prefix: str
    pre_sign_support: bool
    pre_sign_support_ui: bool
    pre_sign_multipart_upload: bool
    import_support: bool
    import_validity_regex: str


class Config(TypedDict):
    """Version and store together."""

    version_config: VersionConfig
    storage_config: StorageConfig


class StagingLocation(TypedDict):
    """Where a client may put the content of an object, before it links it."""

    physical_address: str


class StorageURI(TypedDict):
    """A folder of the store."""

    location: str
