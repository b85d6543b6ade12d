"""What is outside of the API: a page for people, health, metrics, and a description of what is served."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from include.html import page, paragraph, table
from include.platform.embedded.lakefs.description import describe
from include.platform.embedded.lakefs.metrics import CONTENT_TYPE, Metrics
from include.platform.embedded.lakefs.routes.server import PUBLIC, VERSION

public = APIRouter(include_in_schema=False)
"""Routes that need no authentication."""

router = APIRouter(include_in_schema=False)
_PAGE = page(
    "Millrace: embedded lake",
    paragraph(
        f"This server answers as lakeFS {VERSION} does to the calls that pipelines and lakeFS's Python "
        "clients make, and with 501 to the rest. It has no user interface and no S3 gateway."
    ),
    table(
        ("address", "what it is", "keys"),
        (
            ("/api/v1", "the API: use lakefs-client, lakefs-sdk, lakefs-spec or lakectl", "needed"),
            ("/openapi.json", "what is served of the API", "needed"),
            ("/metrics", "requests and their durations, for Prometheus", "needed"),
            ("/_health", "200 while the server is up", "not needed"),
        ),
    ),
    paragraph("docs/lakefs-compatibility.md of Millrace compares it with lakeFS, call by call."),
)


@public.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
def home() -> str:
    return _PAGE


@public.api_route("/_health", methods=["GET", "HEAD"])
def health() -> Response:
    return Response("healthy\n", media_type="text/plain")


@router.get("/metrics")
def metrics(request: Request) -> Response:
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE)


@router.get("/openapi.json")
def openapi(request: Request) -> dict[str, Any]:
    return describe(request.app, PUBLIC)
