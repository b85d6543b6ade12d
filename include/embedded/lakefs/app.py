"""The server: what it is made of, who may ask, and how whatever goes wrong is answered."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from include.embedded.lakefs.auth import Keys, Users
from include.embedded.lakefs.blobs import Blobs
from include.embedded.lakefs.database import Database
from include.embedded.lakefs.errors import ApiError, Conflict
from include.embedded.lakefs.routes import branches, commits, elsewhere, objects, repositories, server

_FORESEEN = (ApiError, HTTPException, ClientDisconnect, UnicodeEncodeError, sqlite3.Error, OSError)


def create_app(folder: Path, *keys: Keys) -> FastAPI:
    """The server over a folder that it owns, for some pairs of keys."""
    folder.mkdir(parents=True, exist_ok=True)
    app = FastAPI(title="lakeFS API", version=server.VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.database = Database(folder / "lake.sqlite")
    app.state.blobs = Blobs(folder / "objects")
    app.state.blobs.sweep()
    app.state.users = Users(keys)
    app.include_router(server.public, prefix="/api/v1")
    for routes in (server, repositories, branches, commits, objects, elsewhere):
        app.include_router(routes.router, prefix="/api/v1", dependencies=[Depends(_authenticate)])
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    for cause in (*_FORESEEN, Exception):
        app.add_exception_handler(cause, _answer_error)
    return app


def _authenticate(request: Request) -> None:
    request.state.keys = request.app.state.users.authenticate(request)


def _answer_invalid(_: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{fault['loc'][-1]!r}: {fault['msg']}" for fault in faults)
    return JSONResponse({"message": f"request is not valid: {said}"}, 400)


def _answer_error(_: Request, error: Exception) -> Response:
    status, message = _diagnosis(error)
    body = {"message": message}
    if isinstance(error, Conflict):
        body["reference"] = ""  # lakeFS answers with this alone
    return JSONResponse(body, status, getattr(error, "headers", None))


def _diagnosis(error: Exception) -> tuple[int, str]:
    """Status and message; a request is never answered as done when the disk or the database failed it."""
    if isinstance(error, ApiError):
        return error.status, str(error)
    if isinstance(error, HTTPException):  # no such path, or no such method of it
        return 404, "invalid API endpoint"
    if isinstance(error, ClientDisconnect):
        return 499, "the client is gone"
    if isinstance(error, UnicodeEncodeError):
        return 400, "request is not valid: its text is no UTF-8"
    if "full" in str(error) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return 507, f"the lake's disk is full, nothing was changed: make room and try again ({error})"
    if "locked" in str(error):
        return 503, f"the lake's database is busy, nothing was changed: try again ({error})"
    return 500, f"the lake's store cannot be read or written: {type(error).__name__}: {error}"
