"""What clients read from and write to the disk themselves: addresses to link, and symlink files."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from fastapi import APIRouter
from pydantic import Field

from include.excerpt import quote
from include.platform.embedded.lakefs import responses, shapes
from include.platform.embedded.lakefs.addresses import opened
from include.platform.embedded.lakefs.description import refusals
from include.platform.embedded.lakefs.errors import BadRequest
from include.platform.embedded.lakefs.listing import below
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.routes.requests import (
    Body,
    Contents,
    Flag,
    InStore,
    Links,
    Offered,
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
from include.platform.embedded.lakefs.staging import check_path
from include.platform.embedded.lakefs.tree import Entry
from include.platform.embedded.lakefs.uploads import ANY_TYPE, content_type

router = APIRouter(prefix="/repositories/{repository}")
_CHECKSUM = re.compile(r"[!#-~]{1,256}")
_LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last one that a header can name."""


class StagingLocation(Body):
    physical_address: str = ""


class StagingMetadata(Body):
    staging: StagingLocation
    checksum: str
    size_bytes: int = Field(ge=0, lt=2**63)
    user_metadata: Metadata | None = None
    content_type: str = ""
    mtime: int | None = Field(None, ge=0, le=_LAST_SECOND)
    force: bool = False

    def entry(self, path: str) -> Entry:
        """Return the object that is described, without its address."""
        checksum = self.checksum.strip(' "')
        if not _CHECKSUM.fullmatch(checksum):
            raise BadRequest(
                f"checksum {quote(self.checksum)} is not valid: it has 1 to 256 printable characters"
            )
        mtime = int(time.time()) if self.mtime is None else self.mtime
        kind = content_type(self.content_type or ANY_TYPE)
        return Entry(path, checksum, self.size_bytes, "", mtime, kind, self.user_metadata or {})


@router.get("/branches/{branch}/staging/backing")
def get_physical_address(
    store: InStore, _: Writer, offered: Offered, branch: str, path: str, presign: Flag = False
) -> shapes.StagingLocation:
    refuse_presign(presign)
    check_path(path)
    return {"physical_address": offered.offer(store.facts.name, branch, path)}


@router.put("/branches/{branch}/staging/backing", responses=refusals(409, 412, 501))
def link_physical_address(
    store: InStore,
    contents: Contents,
    offered: Offered,
    branch: str,
    path: str,
    body: StagingMetadata,
    if_none_match: Condition = None,
    if_match: Unsupported = None,
) -> shapes.ObjectStats:
    is_new = only_new(if_match, if_none_match)
    file = offered.file(body.staging.physical_address, store.facts.name, branch, path)
    entry = body.entry(path)
    if not os.path.lexists(file):
        return responses.stats(_linked_before(store, branch, entry, file), contents)
    store.check_write(branch, path, only_new=is_new, force=body.force)
    with opened(file) as (size, chunks), contents.incoming(size) as incoming:
        if size != body.size_bytes:
            raise BadRequest(f"size_bytes is {body.size_bytes}, and there are {size} bytes at {file}")
        # Copied, as its writer may still have it open: what is stored is never changed.
        for chunk in chunks:
            incoming.write([chunk])
        entry = stage(store, contents, incoming, branch, entry, only_new=is_new, force=body.force)
    file.unlink(missing_ok=True)
    return responses.stats(entry, contents)


def _linked_before(store: Store, branch: str, entry: Entry, file: Path) -> Entry:
    """Return the object that an earlier attempt has linked, whose answer was lost; raises BadRequest."""
    before = store.find(branch, entry.path)
    if before is None or not before.same_as(entry):
        raise BadRequest(f"there is no content at {file}: write it there before it is linked")
    return before


@router.post("/refs/{ref}/symlink", status_code=201)
def create_symlink_file(
    store: InStore, contents: Contents, links: Links, ref: str, location: str = ""
) -> shapes.StorageURI:
    with store.database.snapshot():
        entries = below(store.scan(ref, location), location)
        links.write(store.facts.name, ref, location, entries, contents.uri)
    return {"location": links.location}
