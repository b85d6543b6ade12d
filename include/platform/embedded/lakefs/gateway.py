"""The answer to requests of S3 clients: there is no S3 gateway."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES = ("aws4-hmac-sha256", "aws4-ecdsa-p256-sha256", "aws")
_SIGNED_QUERY = ("x-amz-signature", "x-amz-algorithm")
_MESSAGE = "no S3 gateway; use the API, lakefs-spec, or a lakeFS server"


class NoGateway:
    """Middleware that answers a request with a signature of S3 as S3 would, in XML with status 501.

    Error responses: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        is_signed = scope["type"] == "http" and _is_signed(Request(scope))
        await (_answer(Request(scope)) if is_signed else self._app)(scope, receive, send)


def _is_signed(request: Request) -> bool:
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    return scheme in _SCHEMES or any(name.lower() in _SIGNED_QUERY for name in request.query_params)


def _answer(request: Request) -> Response:
    number = uuid.uuid4().hex[:16].upper()
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>NotImplemented</Code><Message>{_MESSAGE}</Message>"
        f"<Resource>{escape(request.scope['path'])}</Resource><RequestId>{number}</RequestId></Error>"
    )
    return Response(body, 501, {"x-amz-request-id": number}, "application/xml")
