"""Dependencies and parameter types that the routes share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import Database
from include.platform.embedded.lakefs.errors import BadRequest, NotFound
from include.platform.embedded.lakefs.hooks import Hooks
from include.platform.embedded.lakefs.refs import REPOSITORY_NAME
from include.platform.embedded.lakefs.repository import Overrides, Store
from include.platform.embedded.lakefs.runs import Runs

Amount = Annotated[int, Query(ge=-1, le=1000)]
Metadata = dict[str, str]
_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")
_WAITING = CapacityLimiter(200)
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value not in _TRUE + _FALSE:
        raise ValueError("allowed are 'true' and 'false'")
    return value in _TRUE if isinstance(value, str) else value


Flag = Annotated[bool, BeforeValidator(_flag)]
"""A boolean query parameter, in the spellings that lakeFS takes."""


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


Db = Annotated[Database, Depends(_database)]
Contents = Annotated[Blobs, Depends(_blobs)]
InStore = Annotated[Store, Depends(_store)]
