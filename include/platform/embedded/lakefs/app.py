"""The server application: its parts, its middleware, and its error responses."""

from __future__ import annotations

import errno
import sqlite3
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from include.excerpt import quote
from include.platform.embedded.lakefs.addresses import UNLINKED, Addresses
from include.platform.embedded.lakefs.auth import Keys, Users
from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import Database
from include.platform.embedded.lakefs.description import COMMON
from include.platform.embedded.lakefs.errors import ApiError, BadRequest
from include.platform.embedded.lakefs.gateway import NoGateway
from include.platform.embedded.lakefs.metrics import Measured, Metrics
from include.platform.embedded.lakefs.policy import HEADERS, Harmless
from include.platform.embedded.lakefs.routes import (
    actions,
    branches,
    commits,
    direct,
    objects,
    repositories,
    server,
    site,
    unsupported,
)
from include.platform.embedded.lakefs.symlinks import Symlinks

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LISTS = ("objects", "prefixes")
"""Parameters that may have several values."""
_MAX_BODY_BYTES = 8 << 20
"""Enough for a thousand paths of 1,024 bytes, written in JSON escapes."""
_PUBLIC_PATHS = {f"/api/v1{route.path}" for route in server.public.routes if isinstance(route, APIRoute)}
_EXPECTED = (ApiError, HTTPException, ClientDisconnect, UnicodeEncodeError, sqlite3.Error, OSError)


def create_app(folder: Path, *keys: Keys, min_free: int = 0) -> FastAPI:
    """Return the server over a folder that it alone uses, for the given pairs of keys.

    It takes no new data that would leave less than `min_free` bytes on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    app = FastAPI(
        version=server.VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.metrics = Metrics()
    app.state.database = Database(folder / "lake.sqlite")
    app.state.blobs = Blobs(folder / "objects", min_free)
    app.state.blobs.sweep()
    app.state.users = Users(keys)
    app.state.addresses = Addresses(folder / UNLINKED, app.state.users.signing_key)
    app.state.symlinks = Symlinks(folder / "symlinks")
    app.include_router(server.public, prefix="/api/v1")
    app.include_router(site.public)
    app.include_router(site.router, dependencies=[Depends(_authenticate)])
    for routes in (server, repositories, branches, commits, objects, direct, actions, unsupported):
        checks = [Depends(_authenticate), Depends(_refuse_repeated)]
        app.include_router(routes.router, prefix="/api/v1", dependencies=checks, responses=COMMON)
    app.add_middleware(_KeysFirst, users=app.state.users)
    app.add_middleware(_SlashesInNames)
    app.add_middleware(NoGateway)
    app.add_middleware(Harmless)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    for cause in (*_EXPECTED, Exception):
        app.add_exception_handler(cause, _answer_error)
    return app


class _KeysFirst:
    """Middleware that checks the keys before it reads a body, and limits its size unless it is an upload."""

    def __init__(self, app: ASGIApp, users: Users) -> None:
        self._app = app
        self._users = users

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            try:
                if scope["path"] not in _PUBLIC_PATHS:
                    self._users.authenticate(Request(scope))
            except ApiError as error:
                app = JSONResponse({"message": str(error)}, error.status)
            is_upload = scope["path"].endswith("/objects")
            receive = receive if is_upload else _capped(receive)
        await app(scope, receive, send)


def _capped(receive: Receive) -> Receive:
    """Return a `receive` that refuses a body that is too large; FastAPI then answers 400."""
    size = 0

    async def read() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > _MAX_BODY_BYTES:
            raise ApiError(f"request size exceeded, max is {_MAX_BODY_BYTES} bytes", 413)
        return message

    return read


class _SlashesInNames:
    """Middleware that leaves an encoded slash encoded: it belongs to a name, and does not separate two."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = (scope.get("raw_path") or b"").decode("latin-1").replace("%2f", "%2F")
        if "%2F" in raw:
            scope["path"] = unquote(raw.replace("%2F", "%252F"))
        await self._app(scope, receive, send)


def _authenticate(request: Request) -> None:
    request.state.keys = request.app.state.users.authenticate(request)


def _refuse_repeated(request: Request) -> None:
    """Refuse a parameter with two values, as lakeFS does; of most, the last would count silently."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    repeated = [name for name, count in counts.items() if count > 1 and name not in _LISTS]
    if repeated:
        raise BadRequest(f"multiple values for single value parameter {quote(repeated[0])}")


def _answer_invalid(_: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    text = "; ".join(f"{fault['loc'][-1]!r}: {fault['msg']}" for fault in faults)
    return JSONResponse({"message": f"request is not valid: {text}"}, 400)


def _answer_error(_: Request, error: Exception) -> Response:
    status, message = _diagnosis(error)
    # A 404 for an unknown method of a known path would have the header of a 405.
    own = getattr(error, "headers", None) if isinstance(error, ApiError) else None
    # With the headers of the policy, as Starlette answers unforeseen errors outside of every middleware.
    return JSONResponse({"message": message}, status, {**HEADERS, **(own or {})})


def _diagnosis(error: Exception) -> tuple[int, str]:
    """Return the status and message for an error; a failure of disk or database is never a success."""
    if isinstance(error, ApiError):
        return error.status, str(error)
    if isinstance(error, HTTPException):
        is_unknown = error.status_code in (404, 405)  # unknown path, or unknown method of a known path
        return (404, "invalid API endpoint") if is_unknown else (error.status_code, error.detail)
    if isinstance(error, ClientDisconnect):
        return 499, "the client is gone"
    if isinstance(error, UnicodeEncodeError):
        return 400, "request is not valid: its text is not UTF-8"
    if "disk is full" in str(error) or getattr(error, "errno", None) in _DISK_FULL:
        return 507, f"the lake's disk is full, nothing was changed: make room and try again ({error})"
    if "database is locked" in str(error):
        return 503, f"the lake's database is busy, nothing was changed: try again ({error})"
    if isinstance(error, sqlite3.Error | OSError):
        return 500, f"the lake's store cannot be read or written: {type(error).__name__}: {error}"
    return 500, f"an error of the embedded lake, please report it: {type(error).__name__}: {error}"
