"""Commits: creating, merging, reverting, history and differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from include.platform.embedded.lakefs import listing, responses, shapes
from include.platform.embedded.lakefs.database import CommitRecord
from include.platform.embedded.lakefs.description import refusals
from include.platform.embedded.lakefs.errors import BadRequest, MergeConflict, NotSupported
from include.platform.embedded.lakefs.repository import STRATEGIES
from include.platform.embedded.lakefs.routes.requests import (
    Amount,
    Body,
    CommitOverrides,
    Flag,
    InStore,
    may_wait,
)
from include.platform.embedded.lakefs.shapes import Metadata
from include.platform.embedded.lakefs.tree import Changes, Difference

router = APIRouter(prefix="/repositories/{repository}")
_CHANGES = refusals(409, 412, 429)
Paths = Annotated[list[str], Query(default_factory=list)]


class CommitCreation(Body):
    message: str
    metadata: Metadata = Field(default_factory=dict)
    date: int = Field(0, ge=-(2**63), lt=2**63)
    allow_empty: bool = False
    force: bool = False


class Merge(Body):
    message: str = ""
    metadata: Metadata = Field(default_factory=dict)
    strategy: str = ""
    allow_empty: bool = False
    squash_merge: bool = False
    force: bool = False


class RevertCreation(Body):
    ref: str
    parent_number: int = Field(ge=0)
    commit_overrides: CommitOverrides = Field(default_factory=CommitOverrides)
    allow_empty: bool = False
    force: bool = False


class CherryPickCreation(Body):
    ref: str
    parent_number: int = Field(1, ge=1)
    commit_overrides: CommitOverrides = Field(default_factory=CommitOverrides)
    force: bool = False


@router.post("/branches/{branch}/commits", status_code=201, responses=_CHANGES)
@may_wait
def commit(
    store: InStore,
    branch: str,
    body: CommitCreation,
    source_metarange: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> shapes.Commit:
    if source_metarange is not None:
        raise NotSupported("a commit of a source_metarange is not supported by the embedded lake")
    record = store.commit(
        branch,
        body.message,
        body.metadata,
        date=body.given("date"),
        allow_empty=body.allow_empty,
        force=body.force,
    )
    return responses.commit(record)


@router.get("/commits/{ref}")
def get_commit(store: InStore, ref: str) -> shapes.Commit:
    return responses.commit(store.commit_at(ref))


@router.post("/refs/{source}/merge/{branch}", responses=_CHANGES)
@may_wait
def merge(
    store: InStore, response: Response, source: str, branch: str, body: Merge | None = None
) -> shapes.MergeResult:
    body = body or Merge()
    if body.strategy not in STRATEGIES:
        raise BadRequest(
            f"merge strategy {body.strategy!r} is not valid: allowed are 'dest-wins', 'source-wins'"
        )
    try:
        record = store.merge(
            source,
            branch,
            body.message or f"Merge '{source}' into '{branch}'",
            body.metadata,
            strategy=body.strategy,
            allow_empty=body.allow_empty,
            squash=body.squash_merge,
            force=body.force,
        )
    except MergeConflict as error:  # lakeFS returns the empty reference only
        response.status_code = error.status
        return {"reference": "", "message": str(error)}
    return {"reference": record.id}


@router.post("/branches/{branch}/revert", status_code=204, response_class=Response, responses=_CHANGES)
@may_wait
def revert(store: InStore, branch: str, body: RevertCreation) -> None:
    named = body.commit_overrides.named()
    store.revert(branch, body.ref, body.parent_number, named, allow_empty=body.allow_empty, force=body.force)


@router.post("/branches/{branch}/cherry-pick", status_code=201, responses=_CHANGES)
@may_wait
def cherry_pick(store: InStore, branch: str, body: CherryPickCreation) -> shapes.Commit:
    named, parent = body.commit_overrides.named(), body.given("parent_number")
    return responses.commit(store.cherry_pick(branch, body.ref, parent, named, force=body.force))


@router.get("/refs/{source}/merge/{branch}")
def find_merge_base(store: InStore, source: str, branch: str) -> shapes.MergeBase:
    theirs, ours = store.commit_at(source), store.commit_at(branch)
    base = store.merge_base(ours.id, theirs.id)
    return {
        "source_commit_id": theirs.id,
        "destination_commit_id": ours.id,
        "base_commit_id": base.id,
    }


@router.get("/refs/{ref}/commits")
def log_commits(
    store: InStore,
    ref: str,
    objects: Paths,
    prefixes: Paths,
    after: str = "",
    amount: Amount = 100,
    first_parent: Flag = False,
    limit: Flag = False,
    since: str = "",
    stop_at: str = "",
) -> shapes.Page[shapes.Commit]:
    commits = store.log(ref, first_parent=first_parent, since=_moment(since))
    records = _until(commits, store.commit_at(stop_at).id if stop_at else "")
    if after:
        _skip_to(records, store.commit_at(after).id)
    paths, below = set(filter(None, objects)), tuple(filter(None, prefixes))
    if paths or below:
        records = (record for record in records if store.touches(record, paths, below))
    page = responses.page(records, amount, responses.commit, lambda record: record.id)
    if limit:
        page["pagination"] |= {"has_more": False, "next_offset": ""}
    return page


def _moment(since: str) -> float:
    """Return the seconds since 1970 of a date and time in RFC 3339; an empty text means the beginning."""
    if not since:
        return float("-inf")
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise BadRequest(f"since {since!r} is not a date and time in RFC 3339") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _until(commits: Iterator[CommitRecord], last: str) -> Iterator[CommitRecord]:
    for record in commits:
        yield record
        if record.id == last:
            return


def _skip_to(commits: Iterator[CommitRecord], last: str) -> None:
    next((record for record in commits if record.id == last), None)


@router.get("/refs/{left}/diff/{right}")
def diff_refs(
    store: InStore,
    left: str,
    right: str,
    after: str = "",
    prefix: str = "",
    delimiter: str = "",
    amount: Amount = 100,
    type: Literal["two_dot", "three_dot"] = "three_dot",
    include_right_stats: Flag = False,
) -> shapes.Page[shapes.Diff]:
    shape = responses.change_with_stats if include_right_stats else responses.change
    with store.database.snapshot():
        changes = store.diff(left, right) if type == "two_dot" else store.compare(left, right)
        return _page(changes, prefix, after, delimiter, amount, shape)


@router.get("/branches/{branch}/diff")
def diff_branch(
    store: InStore, branch: str, after: str = "", prefix: str = "", delimiter: str = "", amount: Amount = 100
) -> shapes.Page[shapes.Diff]:
    with store.database.snapshot():
        return _page(partial(store.uncommitted, branch), prefix, after, delimiter, amount, responses.pending)


def _page(
    changes: Changes,
    prefix: str,
    start: str,
    delimiter: str,
    amount: int,
    shape: Callable[[Difference], shapes.Diff],
) -> shapes.Page[shapes.Diff]:
    return responses.page(
        listing.after(changes, prefix, delimiter, start),
        amount,
        lambda row: responses.changed_prefix(row) if isinstance(row, str) else shape(row),
        lambda row: row if isinstance(row, str) else row.path,
    )
