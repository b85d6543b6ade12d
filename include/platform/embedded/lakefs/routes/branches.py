"""Branches and tags, and resetting branches."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from include.platform.embedded.lakefs import responses, shapes
from include.platform.embedded.lakefs.description import refusals
from include.platform.embedded.lakefs.listing import LAST
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.routes.requests import Amount, Body, Flag, InStore, may_wait
from include.platform.embedded.lakefs.staging import check_path

router = APIRouter(prefix="/repositories/{repository}")
_CHANGES = refusals(409, 412, 429)


class BranchCreation(Body):
    name: str
    source: str
    force: bool = False
    hidden: bool = False


class TagCreation(Body):
    id: str
    ref: str
    force: bool = False


class ResetCreation(Body):
    type: Literal["object", "common_prefix", "reset"]
    path: str = ""
    force: bool = False


@router.get("/branches")
def list_branches(
    store: InStore, prefix: str = "", after: str = "", amount: Amount = 100, show_hidden: Flag = False
) -> shapes.Page[shapes.Ref]:
    return _refs(store, "branch", prefix, after, amount, hidden=show_hidden)


@router.get("/tags")
def list_tags(
    store: InStore, prefix: str = "", after: str = "", amount: Amount = 100
) -> shapes.Page[shapes.Ref]:
    return _refs(store, "tag", prefix, after, amount)


def _refs(
    store: Store, kind: str, prefix: str, after: str, amount: int, *, hidden: bool = False
) -> shapes.Page[shapes.Ref]:
    limit = responses.MAX_PER_PAGE + 1
    rows = store.database.refs(store.facts.name, kind, prefix, after, limit, hidden=hidden)
    return responses.page(rows, amount, lambda row: responses.ref(*row), lambda row: row[0])


@router.post("/branches", status_code=201, response_class=HTMLResponse, responses=_CHANGES)
@may_wait
def create_branch(store: InStore, body: BranchCreation) -> Response:
    commit = store.create_branch(body.name, body.source, force=body.force, hidden=body.hidden)
    return HTMLResponse(commit, 201)


@router.get("/branches/{branch}")
def get_branch(store: InStore, branch: str) -> shapes.Ref:
    return responses.ref(branch, store.branch(branch).id)


@router.delete("/branches/{branch}", status_code=204, response_class=Response, responses=_CHANGES)
@may_wait
def delete_branch(store: InStore, branch: str, force: Flag = False) -> None:
    store.delete_branch(branch, force=force)


@router.put("/branches/{branch}", status_code=204, response_class=Response)
def reset_branch(store: InStore, branch: str, body: ResetCreation) -> None:
    if body.type == "object":
        check_path(body.path)
        store.reset(branch, body.path, body.path, force=body.force)
    else:
        prefix = body.path if body.type == "common_prefix" else ""
        store.reset(branch, prefix, prefix + LAST, force=body.force)


@router.put("/branches/{branch}/hard_reset", status_code=204, response_class=Response)
def hard_reset(store: InStore, branch: str, ref: str, force: Flag = False) -> None:
    store.hard_reset(branch, ref, force=force)


@router.post("/tags", status_code=201, responses=_CHANGES)
@may_wait
def create_tag(store: InStore, body: TagCreation) -> shapes.Ref:
    return responses.ref(body.id, store.create_tag(body.id, body.ref, force=body.force))


@router.get("/tags/{tag}")
def get_tag(store: InStore, tag: str) -> shapes.Ref:
    return responses.ref(tag, store.tag(tag))


@router.delete("/tags/{tag}", status_code=204, response_class=Response, responses=_CHANGES)
@may_wait
def delete_tag(store: InStore, tag: str, force: Flag = False) -> None:
    store.delete_tag(tag, force=force)
