"""Conversion of records to the JSON of the published API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal, TypeVar

from include.platform.embedded.lakefs import shapes
from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import CommitRecord, Repository
from include.platform.embedded.lakefs.tree import Difference, Entry

MAX_PER_PAGE = 1000
_DEFAULT_PER_PAGE = 100
_Item = TypeVar("_Item")
_Row = TypeVar("_Row")


def repository(facts: Repository) -> shapes.Repository:
    """Return a repository as the API shows it."""
    return {
        "id": facts.name,
        "creation_date": facts.created,
        "default_branch": facts.default_branch,
        "storage_namespace": facts.namespace,
        "storage_id": "",
        "read_only": facts.read_only,
    }


def commit(record: CommitRecord) -> shapes.Commit:
    """Return a commit as the API shows it."""
    return {
        "id": record.id,
        "parents": list(record.parents),
        "committer": record.committer,
        "message": record.message,
        "creation_date": record.created,
        "meta_range_id": record.version,
        "metadata": record.metadata,
        "generation": record.generation,
        "version": 1,
    }


def ref(name: str, commit_id: str) -> shapes.Ref:
    """Return a branch or a tag as the API shows it."""
    return {"id": name, "commit_id": commit_id}


def stats(entry: Entry, contents: Blobs) -> shapes.ObjectStats:
    """Return an object's properties with its user metadata."""
    return {**bare_stats(entry, contents), "metadata": entry.metadata}


def bare_stats(entry: Entry, contents: Blobs) -> shapes.ObjectStats:
    """Return an object's properties without its user metadata."""
    return {
        "path": entry.path,
        "path_type": "object",
        "physical_address": contents.uri(entry.address),
        "checksum": entry.checksum,
        "size_bytes": entry.size,
        "mtime": entry.mtime,
        "content_type": entry.content_type,
    }


def change(difference: Difference) -> shapes.Diff:
    """Return a difference at one path."""
    return {
        "type": _kind(difference),
        "path": difference.path,
        "path_type": "object",
        "size_bytes": _shown(difference).size,
    }


def _kind(difference: Difference) -> Literal["conflict", "added", "removed", "changed"]:
    if difference.conflict:
        return "conflict"
    return "added" if difference.left is None else "removed" if difference.right is None else "changed"


def pending(difference: Difference) -> shapes.Diff:
    """Return an uncommitted difference; a removed object has the size 0."""
    body = change(difference)
    return body if difference.right else {**body, "size_bytes": 0}


def change_with_stats(difference: Difference) -> shapes.Diff:
    """Return a difference with the object's properties on the right side (on the left if it was removed)."""
    entry = _shown(difference)
    right: shapes.DiffObjectStat = {
        "checksum": entry.checksum,
        "mtime": entry.mtime,
        "content_type": entry.content_type,
        "metadata": entry.metadata,
    }
    return {**change(difference), "right": right}


def _shown(difference: Difference) -> Entry:
    return difference.right or difference.left  # type: ignore[return-value]


def common_prefix(path: str) -> shapes.ObjectStats:
    """Return a common prefix of a listing as the API shows it."""
    return {
        "path": path,
        "path_type": "common_prefix",
        "physical_address": "",
        "checksum": "",
        "mtime": 0,
    }


def changed_prefix(path: str) -> shapes.Diff:
    """Return a common prefix of a diff as the API shows it."""
    return {"type": "prefix_changed", "path": path, "path_type": "common_prefix"}


def page(
    items: Iterable[_Item], amount: int, shape: Callable[[_Item], _Row], name: Callable[[_Item], str]
) -> shapes.Page[_Row]:
    """Return one page of a listing: at most `amount` items, and where the next page begins."""
    limit = min(amount, MAX_PER_PAGE) if amount > 0 else _DEFAULT_PER_PAGE
    rows = list(islice(items, limit + 1))
    shown = rows[:limit]
    more = len(rows) > limit
    return {
        "pagination": {
            "has_more": more,
            "next_offset": name(shown[-1]) if more else "",
            "results": len(shown),
            "max_per_page": MAX_PER_PAGE,
        },
        "results": [shape(item) for item in shown],
    }
