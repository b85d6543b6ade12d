"""The description of what is served, as OpenAPI: what FastAPI sees, and what it does not see."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from include.platform.embedded.lakefs.auth import COOKIE
from include.platform.embedded.lakefs.shapes import Error
from include.platform.embedded.lakefs.uploads import ANY_TYPE

TITLE = "lakeFS API, as far as the embedded lake has it"
_TEXT = "Paths, parameters and responses that are served; what is not here is answered with 501 or 404."
_SCHEMES = {
    "keys": {"type": "http", "scheme": "basic", "description": "access key id and secret access key"},
    "token": {"type": "http", "scheme": "bearer", "description": "the token of a login"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "the cookie of a login"},
}
_WHY = {
    400: "the request is not valid",
    401: "keys are missing or wrong",
    403: "the keys, a read-only repository or a protected branch do not allow it",
    404: "there is nothing of that name",
    409: "the name is taken, or there is a conflict",
    412: "a precondition is not met, or a hook has refused",
    413: "the body is too large",
    416: "the object has no such bytes",
    429: "the branch moved each time while its hooks ran",
    500: "the store cannot be read or written, or is damaged",
    501: "an option that is not supported",
    503: "the database is busy",
    507: "the disk is too full",
}

Answers = dict[int | str, dict[str, Any]]
"""Responses of a route beside its own, as FastAPI takes them."""


def refusals(*statuses: int) -> Answers:
    """Return the error responses with these statuses."""
    # By "model" FastAPI would describe them with the type of the route's own response.
    error = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Error.__name__}"}}}
    return {status: {"description": _WHY[status], "content": error} for status in statuses}


COMMON = refusals(400, 401, 403, 404, 413, 500, 503, 507)
"""What any route with keys may answer."""

_BINARY = {"type": "string", "format": "binary"}
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"content": _BINARY}, "required": ["content"]}
            },
            ANY_TYPE: {"schema": _BINARY},
        },
    }
}
"""The body of an upload, which is read without FastAPI."""

_ANY_TYPE = {"content": {"*/*": {"schema": _BINARY}}}
CONTENTS: Answers = {
    200: {"description": "the object, with the type that it was written with", **_ANY_TYPE},
    206: {"description": "a part of the object", **_ANY_TYPE},
    304: {"description": "the client has it"},
    **refusals(416),
}
"""What reading an object answers beside errors that all routes have."""


def describe(app: FastAPI, public: str) -> dict[str, Any]:
    """Return the description of an application; operations with the tag `public` need no keys."""
    described = get_openapi(title=TITLE, version=app.version, description=_TEXT, routes=app.routes)
    components = described["components"]
    components["securitySchemes"] = _SCHEMES
    components["schemas"][Error.__name__] = TypeAdapter(Error).json_schema()
    described["security"] = [{name: []} for name in _SCHEMES]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # answered with 400
            if public in operation.get("tags", ()):
                operation["security"] = []
    return described
