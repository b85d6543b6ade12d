"""What uploading a content and linking one have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Header

from include.platform.embedded.lakefs.blobs import Blobs, Incoming
from include.platform.embedded.lakefs.errors import BadRequest, NotSupported
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.tree import Entry

Condition = Annotated[str | None, Header()]
Unsupported = Annotated[str | None, Header(include_in_schema=False)]


def only_new(if_match: str | None, if_none_match: str | None) -> bool:
    """Return whether the conditions of a request ask that its path is new; raises NotSupported for others."""
    if if_match is not None or if_none_match not in (None, "*"):
        raise NotSupported("an upload may depend on If-None-Match: * only, as in lakeFS")
    return if_none_match == "*"


def refuse_presign(presign: bool) -> None:
    """Raise BadRequest if a presigned address is requested."""
    if presign:
        raise BadRequest("presigned URL: operation not supported by the local store, see `config`")


def stage(
    store: Store,
    contents: Blobs,
    incoming: Incoming,
    branch: str,
    entry: Entry,
    *,
    only_new: bool,
    force: bool,
) -> Entry:
    """Store a content and stage its object; an entry that has a checksum already keeps it."""
    stored = incoming.finish()
    checksum = entry.checksum or stored.checksum
    entry = replace(entry, checksum=checksum, size=stored.size, address=stored.address)
    # In one transaction, so that garbage collection never sees a content without its reference.
    with store.database.transaction():
        contents.keep(incoming, stored.address)
        store.stage(branch, entry.path, entry, only_new=only_new, force=force)
    return entry
