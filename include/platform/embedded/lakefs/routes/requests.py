"""Dependencies and parameter types that the routes share."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from include.platform.embedded.lakefs.addresses import Addresses
from include.platform.embedded.lakefs.auth import Keys
from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import Database
from include.platform.embedded.lakefs.errors import BadRequest, Forbidden, NotFound
from include.platform.embedded.lakefs.hooks import Hooks
from include.platform.embedded.lakefs.refs import REPOSITORY_NAME
from include.platform.embedded.lakefs.repository import Overrides, Store
from include.platform.embedded.lakefs.runs import Runs
from include.platform.embedded.lakefs.shapes import Metadata
from include.platform.embedded.lakefs.symlinks import Symlinks
from include.platform.embedded.lakefs.uploads import ANY_TYPE

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")
_WAITING = CapacityLimiter(200)
_DIGITS = re.compile(r"[+-]?[0-9]{1,20}")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def _number(value: Any) -> Any:
    """Refuse what Python reads as a number and lakeFS does not: spaces around it, underscores, a point."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("allowed are whole numbers in digits")
    return value


Amount = Annotated[int, BeforeValidator(_number), Query(ge=-1, le=1000)]


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value not in _TRUE + _FALSE:
        raise ValueError("allowed are 'true' and 'false'")
    return value in _TRUE if isinstance(value, str) else value


Flag = Annotated[bool, BeforeValidator(_flag)]
"""A boolean query parameter, in the spellings that lakeFS takes."""


class Content(Response):
    """Bytes of which nothing is known."""

    media_type = ANY_TYPE


def may_wait(route: Callable[_Given, _Answer]) -> Callable[_Given, Coroutine[Any, Any, _Answer]]:
    """Run a route that may wait for hooks in a thread that other routes cannot take, nor lack.

    A hook may call the server back while the route waits for it: if both needed a thread of the same pool,
    enough routes at once would wait for each other.
    """

    @wraps(route)
    async def in_thread(*arguments: _Given.args, **options: _Given.kwargs) -> _Answer:
        return await to_thread.run_sync(partial(route, *arguments, **options), limiter=_WAITING)

    return in_thread


class Body(BaseModel):
    """The JSON body of a request: types have to match the specification, unknown keys are ignored."""

    model_config = ConfigDict(strict=True)

    def given(self, name: str) -> Any:
        """Return a field's value, or None if the request does not contain the field."""
        return getattr(self, name) if name in self.model_fields_set else None


class CommitOverrides(Body):
    message: str = ""
    metadata: Metadata = Field(default_factory=dict)

    def named(self) -> Overrides:
        """Return the overrides as the repository takes them."""
        return Overrides(self.message, self.given("metadata"))


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _blobs(request: Request) -> Blobs:
    blobs: Blobs = request.app.state.blobs
    return blobs


def _addresses(request: Request) -> Addresses:
    addresses: Addresses = request.app.state.addresses
    return addresses


def _symlinks(request: Request) -> Symlinks:
    symlinks: Symlinks = request.app.state.symlinks
    return symlinks


def _store(
    repository: str,
    database: Annotated[Database, Depends(_database)],
    blobs: Annotated[Blobs, Depends(_blobs)],
) -> Store:
    if not REPOSITORY_NAME.fullmatch(repository):
        raise BadRequest(f"repository name {repository!r} is not valid")
    facts = database.repository(repository)
    if facts is None:
        raise NotFound(f"repository {repository!r} not found")
    return Store(database, facts, Hooks(Runs(database), blobs))


def _refuse_reader(request: Request) -> None:
    """Refuse keys that may read only what a method that usually only reads prepares to write."""
    keys: Keys = request.state.keys
    if keys.read_only:
        raise Forbidden(f"user {keys.user!r} may read only: this needs the other keys")


Db = Annotated[Database, Depends(_database)]
Contents = Annotated[Blobs, Depends(_blobs)]
Offered = Annotated[Addresses, Depends(_addresses)]
Links = Annotated[Symlinks, Depends(_symlinks)]
InStore = Annotated[Store, Depends(_store)]
Writer = Annotated[None, Depends(_refuse_reader)]
