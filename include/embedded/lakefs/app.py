"""The published API: routes, status codes, authentication.

Whatever lakeFS has and this server does not is answered with 501 and never with a wrong 200.
"""

from __future__ import annotations

import base64
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from include.embedded.lakefs import answers
from include.embedded.lakefs.answers import Json
from include.embedded.lakefs.blobs import Blobs
from include.embedded.lakefs.database import Database, Repository
from include.embedded.lakefs.errors import AlreadyThere, ApiError, BadRequest, NotFound
from include.embedded.lakefs.listing import after, grouped
from include.embedded.lakefs.ranges import content_range
from include.embedded.lakefs.repository import BRANCH_NAME, REPOSITORY_NAME, Store
from include.embedded.lakefs.tree import Entry

VERSION = "1.44.0"
"""The version of lakeFS whose API this server follows."""

_METADATA = "x-lakefs-meta-"
_SPOOL = 1 << 20
Amount = Annotated[int, Query(ge=-1, le=1000)]


class RepositoryCreation(BaseModel):
    name: str
    storage_namespace: str
    default_branch: str = "main"


class BranchCreation(BaseModel):
    name: str
    source: str


class TagCreation(BaseModel):
    id: str
    ref: str


class CommitCreation(BaseModel):
    message: str
    metadata: dict[str, str] = Field(default_factory=dict)
    date: int | None = None
    allow_empty: bool = False


class MergeRequest(BaseModel):
    message: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    strategy: str = ""
    allow_empty: bool = False


class PathList(BaseModel):
    paths: list[str]


class CopyCreation(BaseModel):
    src_path: str
    src_ref: str | None = None


def create_app(folder: Path, access_key_id: str, secret_access_key: str) -> FastAPI:
    """The server over a folder that it owns, for one pair of keys."""
    folder.mkdir(parents=True, exist_ok=True)
    app = FastAPI(title="lakeFS API", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.database = Database(folder / "lake.sqlite")
    app.state.blobs = Blobs(folder / "objects")
    app.state.keys = f"{access_key_id}:{secret_access_key}".encode()
    app.include_router(_public, prefix="/api/v1")
    app.include_router(_private, prefix="/api/v1", dependencies=[Depends(_authenticate)])
    app.add_exception_handler(ApiError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    return app


def _answer_error(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, ApiError) else 500
    return JSONResponse({"message": str(error)}, status)


def _answer_invalid(_: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{fault['loc'][-1]!r}: {fault['msg']}" for fault in faults)
    return JSONResponse({"message": f"request is not valid: {said}"}, 400)


def _authenticate(request: Request) -> None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        given = b""
    if not secrets.compare_digest(given, request.app.state.keys):
        raise ApiError("error authenticating request", 401)


def _database(request: Request) -> Database:
    found: Database = request.app.state.database
    return found


def _blobs(request: Request) -> Blobs:
    found: Blobs = request.app.state.blobs
    return found


def _store(repository: str, database: Annotated[Database, Depends(_database)]) -> Store:
    facts = database.repository(repository)
    if facts is None:
        raise NotFound(f"repository {repository!r} not found")
    return Store(database, facts)


Db = Annotated[Database, Depends(_database)]
Contents = Annotated[Blobs, Depends(_blobs)]
InStore = Annotated[Store, Depends(_store)]
_public = APIRouter()
_private = APIRouter()


@_public.get("/healthcheck", status_code=204, response_class=Response)
def healthcheck() -> None:
    """Whether the server is up."""


@_public.get("/setup_lakefs")
def setup_state() -> Json:
    login = {"RBAC": "none", "login_url": "", "login_cookie_names": [], "logout_url": ""}
    return {"state": "initialized", "comm_prefs_missing": False, "login_config": login}


@_public.post("/setup_lakefs")
def setup() -> None:
    raise AlreadyThere("lakeFS already initialized")


@_private.get("/config")
def config() -> Json:
    storage = {
        "blockstore_type": "local",
        "blockstore_namespace_example": "local://example",
        "blockstore_namespace_ValidityRegex": "^local://",
        "default_namespace_prefix": "local://",
        "pre_sign_support": False,
        "pre_sign_support_ui": False,
        "import_support": False,
        "import_validity_regex": "^local://",
    }
    return {"version_config": {"version": VERSION}, "storage_config": storage}


# Repositories


@_private.get("/repositories")
def list_repositories(database: Db, prefix: str = "", after: str = "", amount: Amount = 100) -> Json:
    found = (r for r in database.repositories() if r.name.startswith(prefix) and r.name > after)
    return answers.page(found, amount, answers.repository, lambda r: r.name)


@_private.post("/repositories", status_code=201)
def create_repository(body: RepositoryCreation, database: Db) -> Json:
    if not REPOSITORY_NAME.fullmatch(body.name) or not BRANCH_NAME.fullmatch(body.default_branch):
        raise BadRequest(f"repository {body.name!r} or branch {body.default_branch!r} is no valid name")
    facts = Repository(body.name, body.storage_namespace, body.default_branch, int(time.time()))
    with database.transaction():
        if database.repository(body.name):
            raise AlreadyThere(f"error creating repository {body.name!r}: not unique")
        database.add_repository(facts)
        Store(database, facts).initialise()
    return answers.repository(facts)


@_private.get("/repositories/{repository}")
def get_repository(store: InStore) -> Json:
    return answers.repository(store.facts)


@_private.delete("/repositories/{repository}", status_code=204, response_class=Response)
def delete_repository(store: InStore) -> None:
    store.database.remove_repository(store.facts.name)


# Branches and tags


@_private.get("/repositories/{repository}/branches")
def list_branches(store: InStore, prefix: str = "", after: str = "", amount: Amount = 100) -> Json:
    return _refs(store, "branch", prefix, after, amount)


@_private.get("/repositories/{repository}/tags")
def list_tags(store: InStore, prefix: str = "", after: str = "", amount: Amount = 100) -> Json:
    return _refs(store, "tag", prefix, after, amount)


def _refs(store: Store, kind: str, prefix: str, start: str, amount: int) -> Json:
    rows = store.database.refs(store.facts.name, kind, prefix, start, answers.MAX_PER_PAGE + 1)
    return answers.page(rows, amount, lambda row: answers.ref(*row), lambda row: row[0])


@_private.post("/repositories/{repository}/branches", status_code=201)
def create_branch(store: InStore, body: BranchCreation) -> Response:
    return Response(store.create_branch(body.name, body.source), 201, media_type="text/html")


@_private.get("/repositories/{repository}/branches/{branch}")
def get_branch(store: InStore, branch: str) -> Json:
    return answers.ref(branch, store.branch(branch).id)


@_private.delete("/repositories/{repository}/branches/{branch}", status_code=204, response_class=Response)
def delete_branch(store: InStore, branch: str) -> None:
    store.delete_branch(branch)


@_private.post("/repositories/{repository}/tags", status_code=201)
def create_tag(store: InStore, body: TagCreation) -> Json:
    return answers.ref(body.id, store.create_tag(body.id, body.ref))


@_private.get("/repositories/{repository}/tags/{tag}")
def get_tag(store: InStore, tag: str) -> Json:
    return answers.ref(tag, store.tag(tag))


@_private.delete("/repositories/{repository}/tags/{tag}", status_code=204, response_class=Response)
def delete_tag(store: InStore, tag: str) -> None:
    store.delete_tag(tag)


# Commits, log, diff, merge


@_private.post("/repositories/{repository}/branches/{branch}/commits", status_code=201)
def commit(store: InStore, branch: str, body: CommitCreation) -> Json:
    return answers.commit(
        store.commit(branch, body.message, body.metadata, date=body.date, allow_empty=body.allow_empty)
    )


@_private.get("/repositories/{repository}/commits/{ref}")
def get_commit(store: InStore, ref: str) -> Json:
    return answers.commit(store.resolve(ref).commit)


@_private.get("/repositories/{repository}/refs/{ref}/commits")
def log_commits(
    store: InStore,
    request: Request,
    ref: str,
    after: str = "",
    amount: Amount = 100,
    first_parent: bool = False,
    limit: bool = False,
) -> Json:
    for unsupported in ("objects", "prefixes", "since", "stop_at"):
        if unsupported in request.query_params:
            raise ApiError(f"log by {unsupported!r} is not supported by the embedded lake", 501)
    commits = store.log(ref, first_parent=first_parent)
    if after:
        for skipped in commits:
            if skipped.id == after:
                break
    found = answers.page(commits, amount, answers.commit, lambda record: record.id)
    if limit:
        found["pagination"].update(has_more=False, next_offset="")
    return found


@_private.get("/repositories/{repository}/refs/{left}/diff/{right}")
def diff_refs(
    store: InStore,
    left: str,
    right: str,
    after: str = "",
    prefix: str = "",
    delimiter: str = "",
    amount: Amount = 100,
    type: str = "three_dot",
) -> Json:
    changes = store.diff(left, right, three_dot=type == "three_dot")
    return _changes(changes, prefix, after, delimiter, amount)


@_private.get("/repositories/{repository}/branches/{branch}/diff")
def diff_branch(
    store: InStore, branch: str, after: str = "", prefix: str = "", delimiter: str = "", amount: Amount = 100
) -> Json:
    return _changes(store.uncommitted(branch), prefix, after, delimiter, amount)


def _changes(changes: Iterator[Any], prefix: str, start: str, delimiter: str, amount: int) -> Json:
    found = (item for item in changes if item.path.startswith(prefix) and item.path > start)
    if not delimiter:
        return answers.page(found, amount, answers.change, lambda item: item.path)
    rows = grouped(found, prefix, delimiter, start)
    return answers.page(
        rows,
        amount,
        lambda row: answers.changed_prefix(row) if isinstance(row, str) else answers.change(row),
        lambda row: row if isinstance(row, str) else row.path,
    )


@_private.get("/repositories/{repository}/refs/{source}/merge/{branch}")
def find_merge_base(store: InStore, source: str, branch: str) -> Json:
    theirs, ours = store.resolve(source).commit, store.resolve(branch).commit
    base = store.merge_base(ours.id, theirs.id)
    return {
        "source_commit_id": theirs.id,
        "destination_commit_id": ours.id,
        "base_commit_id": base.id,
    }


@_private.post("/repositories/{repository}/refs/{source}/merge/{branch}")
def merge(store: InStore, source: str, branch: str, body: MergeRequest | None = None) -> Json:
    body = body or MergeRequest()
    if body.strategy not in ("", "dest-wins", "source-wins"):
        raise BadRequest(f"merge strategy {body.strategy!r} is none of 'dest-wins', 'source-wins'")
    record = store.merge(
        source,
        branch,
        body.message or f"Merge {source!r} into {branch!r}",
        body.metadata,
        strategy=body.strategy,
        allow_empty=body.allow_empty,
    )
    return {"reference": record.id}


# Objects


@_private.post("/repositories/{repository}/branches/{branch}/objects", status_code=201)
async def upload_object(
    store: InStore,
    contents: Contents,
    request: Request,
    branch: str,
    path: str,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Json:
    await run_in_threadpool(store.branch, branch)
    metadata = {
        name[len(_METADATA) :]: value for name, value in request.headers.items() if name.startswith(_METADATA)
    }
    kind = request.headers.get("content-type", "application/octet-stream")
    if kind.startswith("multipart/form-data"):
        async with request.form() as form:
            part = form.get("content")
            if part is None or isinstance(part, str):
                raise BadRequest("multipart upload missing key 'content'")
            stored = await run_in_threadpool(contents.put, part.file)
            kind = part.content_type or "application/octet-stream"
    else:
        with tempfile.SpooledTemporaryFile(_SPOOL) as body:
            async for chunk in request.stream():
                body.write(chunk)
            body.seek(0)
            stored = await run_in_threadpool(contents.put, body)
    entry = Entry(path, stored.checksum, stored.size, stored.address, int(time.time()), kind, metadata)
    await run_in_threadpool(store.stage, branch, path, entry, only_new=if_none_match == "*")
    return answers.stats(entry)


@_private.delete(
    "/repositories/{repository}/branches/{branch}/objects", status_code=204, response_class=Response
)
def delete_object(store: InStore, branch: str, path: str) -> None:
    store.stage(branch, path, None)


@_private.post("/repositories/{repository}/branches/{branch}/objects/delete")
def delete_objects(store: InStore, branch: str, body: PathList) -> Json:
    with store.database.transaction():
        store.branch(branch)
        for path in body.paths:
            try:
                store.stage(branch, path, None)
            except NotFound:
                continue
    return {"errors": []}


@_private.post("/repositories/{repository}/branches/{branch}/objects/copy", status_code=201)
def copy_object(store: InStore, branch: str, dest_path: str, body: CopyCreation) -> Json:
    source = store.entry(body.src_ref or branch, body.src_path)
    copied = Entry(**{**source.__dict__, "path": dest_path, "mtime": int(time.time())})
    store.stage(branch, dest_path, copied)
    return answers.stats(copied)


@_private.get("/repositories/{repository}/refs/{ref}/objects/stat")
def stat_object(store: InStore, ref: str, path: str) -> Json:
    return answers.stats(store.entry(ref, path))


@_private.get("/repositories/{repository}/refs/{ref}/objects/ls")
def list_objects(
    store: InStore,
    ref: str,
    prefix: str = "",
    after_: Annotated[str, Query(alias="after")] = "",
    delimiter: str = "",
    amount: Amount = 100,
) -> Json:
    def below(start: str) -> Iterator[Entry]:
        for entry in store.scan(ref, start):
            if not entry.path.startswith(prefix):
                return
            yield entry

    rows = after(below, prefix, delimiter, after_)
    return answers.page(
        rows,
        amount,
        lambda row: answers.common_prefix(row) if isinstance(row, str) else answers.stats(row),
        lambda row: row if isinstance(row, str) else row.path,
    )


@_private.api_route("/repositories/{repository}/refs/{ref}/objects", methods=["GET", "HEAD"])
def get_object(
    store: InStore,
    contents: Contents,
    request: Request,
    ref: str,
    path: str,
    range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    entry = store.entry(ref, path)
    etag = f'"{entry.checksum}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    span = content_range(range, entry.size) if range else None
    first, last = span or (0, entry.size - 1)
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Length": str(last - first + 1),
        **{_METADATA + name: value for name, value in entry.metadata.items()},
        **({"Content-Range": f"bytes {first}-{last}/{entry.size}"} if span else {}),
    }
    # No Content-Disposition: lakefs-client would write to a file of that name, shared by its threads.
    status = 206 if span else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=entry.content_type)
    body = contents.read(entry.address, first, last, whole=last - first + 1 == entry.size)
    return StreamingResponse(_begun(body), status, headers, media_type=entry.content_type)


def _begun(body: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first chunk before the answer starts, so that damage is still a proper error."""
    first = next(body, b"")

    def chunks() -> Iterator[bytes]:
        yield first
        yield from body

    return chunks()


@_private.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def not_supported(path: str) -> None:
    raise ApiError(f"/{path} is not supported by the embedded lake; use a lakeFS server for it", 501)
