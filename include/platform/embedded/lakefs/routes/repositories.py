"""Repositories, their metadata and their protected branches."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import Field

from include.platform.embedded.lakefs import responses, shapes
from include.platform.embedded.lakefs.database import Repository
from include.platform.embedded.lakefs.description import refusals
from include.platform.embedded.lakefs.errors import (
    AlreadyExists,
    BadRequest,
    NotFound,
    PreconditionFailed,
)
from include.platform.embedded.lakefs.refs import BRANCH_NAME, PROTECTED, REPOSITORY_NAME
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.routes.requests import (
    Amount,
    Body,
    Contents,
    Db,
    Flag,
    InStore,
    Links,
)
from include.platform.embedded.lakefs.sample import add_sample
from include.platform.embedded.lakefs.shapes import Metadata

router = APIRouter(prefix="/repositories")
_METADATA = "metadata"


class RepositoryCreation(Body):
    name: str
    storage_namespace: str
    default_branch: str = "main"
    storage_id: str = ""
    sample_data: bool = False
    read_only: bool = False


class MetadataSet(Body):
    metadata: Metadata


class MetadataKeys(Body):
    keys: list[str]


class BranchProtectionRule(Body):
    pattern: str = Field(min_length=1)


@router.get("")
def list_repositories(
    database: Db, prefix: str = "", after: str = "", search: str = "", amount: Amount = 100
) -> shapes.Page[shapes.Repository]:
    matching = (
        facts
        for facts in database.repositories()
        if facts.name.startswith(prefix) and search in facts.name and facts.name > after
    )
    return responses.page(matching, amount, responses.repository, lambda facts: facts.name)


@router.post("", status_code=201, responses=refusals(409))
def create_repository(
    body: RepositoryCreation, database: Db, contents: Contents, bare: Flag = False
) -> shapes.Repository:
    branch = body.default_branch or "main"
    facts = Repository(body.name, body.storage_namespace, branch, int(time.time()), body.read_only)
    with database.transaction():
        _check(facts, body.storage_id, database.repositories())
        database.add_repository(facts)
        if not bare:
            store = Store(database, facts)
            store.initialise()
            if body.sample_data:
                add_sample(store, contents)
    return responses.repository(facts)


def _check(facts: Repository, storage_id: str, others: list[Repository]) -> None:
    if facts.name in (other.name for other in others):
        raise AlreadyExists(f"error creating repository {facts.name!r}: not unique")
    if storage_id:
        raise BadRequest(f"storage id {storage_id!r} is not valid: there is one store, whose id is empty")
    if not REPOSITORY_NAME.fullmatch(facts.name) or not BRANCH_NAME.fullmatch(facts.default_branch):
        raise BadRequest(f"repository {facts.name!r} or branch {facts.default_branch!r} is not a valid name")
    if not facts.namespace.startswith("local://"):
        raise BadRequest(f"storage namespace {facts.namespace!r} has to begin with 'local://'")
    if facts.namespace.rstrip("/") in (other.namespace.rstrip("/") for other in others):
        raise BadRequest(f"failed to create repository: storage namespace {facts.namespace!r} already in use")


@router.get("/{repository}")
def get_repository(store: InStore) -> shapes.Repository:
    return responses.repository(store.facts)


@router.delete("/{repository}", status_code=204, response_class=Response)
def delete_repository(store: InStore, links: Links, force: Flag = False) -> None:
    store.refuse_read_only(force)
    store.database.remove_repository(store.facts.name)
    links.forget(store.facts.name)


# What a repository never has here


@router.get("/{repository}/pulls")
def list_pull_requests(_: InStore, amount: Amount = 100) -> shapes.Page[dict[str, str]]:
    return responses.page([], amount, dict[str, str], str)


@router.get("/{repository}/settings/gc_rules")
def get_gc_rules(store: InStore) -> None:
    raise NotFound(f"repository {store.facts.name!r} has no rules of garbage collection")


# Metadata


@router.get("/{repository}/metadata")
def get_metadata(store: InStore) -> Metadata:
    metadata: Metadata = store.database.setting(store.facts.name, _METADATA) or {}
    return metadata


@router.post("/{repository}/metadata", status_code=204, response_class=Response)
def set_metadata(store: InStore, body: MetadataSet) -> None:
    with store.database.transaction():
        metadata = {**get_metadata(store), **body.metadata}
        store.database.set_setting(store.facts.name, _METADATA, metadata)


@router.delete("/{repository}/metadata", status_code=204, response_class=Response)
def delete_metadata(store: InStore, body: MetadataKeys) -> None:
    with store.database.transaction():
        metadata = {key: value for key, value in get_metadata(store).items() if key not in body.keys}
        store.database.set_setting(store.facts.name, _METADATA, metadata)


# Protected branches


@router.get("/{repository}/settings/branch_protection")
def get_branch_protection(store: InStore, response: Response) -> list[shapes.ProtectionRule]:
    patterns = _patterns(store)
    response.headers["ETag"] = _etag(patterns)
    return [{"pattern": pattern} for pattern in patterns]


@router.put(
    "/{repository}/settings/branch_protection",
    status_code=204,
    response_class=Response,
    responses=refusals(412),
)
def set_branch_protection(
    store: InStore, body: list[BranchProtectionRule], if_match: Annotated[str | None, Header()] = None
) -> None:
    with store.database.transaction():
        if if_match is not None and if_match != _etag(_patterns(store)):
            raise PreconditionFailed("the rules have changed since If-Match: read them again")
        patterns = sorted({rule.pattern for rule in body})
        store.database.set_setting(store.facts.name, PROTECTED, patterns)


def _patterns(store: Store) -> list[str]:
    patterns: list[str] = store.database.setting(store.facts.name, PROTECTED) or []
    return patterns


def _etag(patterns: list[str]) -> str:
    return hashlib.sha256(json.dumps(patterns).encode()).hexdigest() if patterns else ""
