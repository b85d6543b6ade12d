"""Objects: writing, reading, listing, copying, deleting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from include.platform.embedded.lakefs import responses, shapes, uploads
from include.platform.embedded.lakefs.description import CONTENTS, UPLOAD, refusals
from include.platform.embedded.lakefs.errors import ApiError, BadRequest, NotSupported
from include.platform.embedded.lakefs.listing import after
from include.platform.embedded.lakefs.ranges import content_range
from include.platform.embedded.lakefs.routes.requests import (
    Amount,
    Body,
    Contents,
    Flag,
    InStore,
    Writer,
)
from include.platform.embedded.lakefs.routes.writing import (
    Condition,
    Unsupported,
    only_new,
    refuse_presign,
    stage,
)
from include.platform.embedded.lakefs.shapes import Metadata
from include.platform.embedded.lakefs.tree import Entry

router = APIRouter(prefix="/repositories/{repository}")
_METADATA = {"x-lakefs-meta-": "", "x-lakefs-internal-": "::lakefs::"}
"""Beginnings of headers that carry metadata, and how the names of its keys begin."""
_MAX_DELETED_PATHS = 1000


class PathList(Body):
    paths: list[str]


class ObjectCopyCreation(Body):
    src_path: str
    src_ref: str = ""
    force: bool = False
    shallow: bool = False


class UserMetadata(Body):
    set: Metadata


# Writing


@router.post(
    "/branches/{branch}/objects", status_code=201, openapi_extra=UPLOAD, responses=refusals(409, 412, 501)
)
async def upload_object(
    store: InStore,
    contents: Contents,
    request: Request,
    branch: str,
    path: str,
    force: Flag = False,
    if_none_match: Condition = None,
    if_match: Unsupported = None,
) -> shapes.ObjectStats:
    is_new = only_new(if_match, if_none_match)
    await run_in_threadpool(store.check_write, branch, path, only_new=is_new, force=force)
    with contents.incoming(_size(request)) as incoming:
        kind = await uploads.receive(request, incoming.write)
        entry = Entry(path, "", 0, "", int(time.time()), kind, _metadata(request))
        stored = await run_in_threadpool(
            stage, store, contents, incoming, branch, entry, only_new=is_new, force=force
        )
    return responses.stats(stored, contents)


def _size(request: Request) -> int:
    """Return the length of a request's body, 0 if the client does not send it."""
    length = request.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else 0


def _metadata(request: Request) -> Metadata:
    """Return the metadata of an upload's headers; of a header that is sent twice the first counts."""
    return {
        key + name.removeprefix(prefix): value
        for name, value in reversed(request.headers.items())
        for prefix, key in _METADATA.items()
        if name.startswith(prefix)
    }


@router.get("/branches/{branch}/objects/stage_allowed", status_code=204, response_class=Response)
def may_upload(store: InStore, _: Writer, branch: str, path: str) -> None:
    store.check_write(branch, path)


@router.post("/branches/{branch}/objects/copy", status_code=201, responses=refusals(501))
def copy_object(
    store: InStore, contents: Contents, branch: str, dest_path: str, body: ObjectCopyCreation
) -> shapes.ObjectStats:
    if body.shallow:
        raise NotSupported("a shallow copy is not supported, as in lakeFS; here every copy is one")
    source = (body.src_ref or branch, body.src_path)
    return responses.stats(store.copy(branch, dest_path, source, force=body.force), contents)


@router.put("/branches/{branch}/objects/stat/user_metadata", status_code=204, response_class=Response)
def set_user_metadata(store: InStore, branch: str, path: str, body: UserMetadata) -> None:
    store.copy(branch, path, (branch, path), metadata=body.set)


@router.delete("/branches/{branch}/objects", status_code=204, response_class=Response)
def delete_object(store: InStore, branch: str, path: str, force: Flag = False) -> None:
    store.stage(branch, path, None, force=force)


@router.post("/branches/{branch}/objects/delete")
def delete_objects(store: InStore, branch: str, body: PathList, force: Flag = False) -> shapes.ObjectErrors:
    if len(body.paths) > _MAX_DELETED_PATHS:
        raise BadRequest(f"request size exceeded, max paths is set to {_MAX_DELETED_PATHS}")
    errors: list[shapes.ObjectError] = []
    with store.database.transaction():
        store.branch(branch)
        for path in filter(None, body.paths):  # as in lakeFS, an empty path deletes nothing without an error
            try:
                store.stage(branch, path, None, force=force)
            except ApiError as error:
                errors.append({"path": path, "status_code": error.status, "message": str(error)})
    return {"errors": errors}


# Reading


@router.get("/refs/{ref}/objects/stat")
def stat_object(
    store: InStore,
    contents: Contents,
    ref: str,
    path: str,
    user_metadata: Flag = True,
    presign: Flag = False,
) -> shapes.ObjectStats:
    refuse_presign(presign)
    entry = store.entry(ref, path)
    return responses.stats(entry if user_metadata else replace(entry, metadata={}), contents)


@router.get("/refs/{ref}/objects/underlyingProperties")
def underlying_properties(store: InStore, ref: str, path: str) -> shapes.UnderlyingProperties:
    store.entry(ref, path)
    return {"storage_class": None}


@router.get("/refs/{ref}/objects/ls")
def list_objects(
    store: InStore,
    contents: Contents,
    ref: str,
    prefix: str = "",
    after_: Annotated[str, Query(alias="after")] = "",
    delimiter: str = "",
    amount: Amount = 100,
    user_metadata: Flag = True,
    presign: Flag = False,
) -> shapes.Page[shapes.ObjectStats]:
    refuse_presign(presign)

    def shape(entry: Entry) -> shapes.ObjectStats:
        shown = responses.stats if user_metadata and entry.metadata else responses.bare_stats
        return shown(entry, contents)

    with store.database.snapshot():
        return responses.page(
            after(partial(store.scan, ref), prefix, delimiter, after_),
            amount,
            lambda row: responses.common_prefix(row) if isinstance(row, str) else shape(row),
            lambda row: row if isinstance(row, str) else row.path,
        )


@router.head("/refs/{ref}/objects", name="head_object", response_class=Response, responses=CONTENTS)
@router.get("/refs/{ref}/objects", response_class=Response, responses=CONTENTS)
def get_object(
    store: InStore,
    contents: Contents,
    request: Request,
    ref: str,
    path: str,
    range: Condition = None,
    if_none_match: Condition = None,
    presign: Flag = False,
) -> Response:
    refuse_presign(presign)
    entry = store.entry(ref, path)
    etag = f'"{entry.checksum}"'
    if if_none_match == etag and request.method == "GET":
        return Response(status_code=304, headers={"ETag": etag})
    first, last = content_range(range, entry.size) if range is not None else (0, entry.size - 1)
    headers = {
        "Content-Type": entry.content_type,
        "ETag": etag,
        "Last-Modified": formatdate(entry.mtime, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store, must-revalidate",
        "Content-Length": str(last - first + 1),
        **({"Content-Range": f"bytes {first}-{last}/{entry.size}"} if range is not None else {}),
    }
    # No Content-Disposition: lakefs-client would write to a file of that name, shared by its threads.
    status = 200 if range is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    body = contents.read(entry.address, first, last, whole=last - first + 1 == entry.size)
    return StreamingResponse(_begun(body), status, headers)


def _begun(body: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first chunk before the response starts, while damage can still be answered with an error."""
    first = next(body, b"")

    def chunks() -> Iterator[bytes]:
        yield first
        yield from body

    return chunks()
