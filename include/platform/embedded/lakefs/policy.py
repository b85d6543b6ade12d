"""What a browser may do with a response: show it, and run nothing of it.

An object may be a page with scripts. In the lake's own origin such a script could use the session of the
person who looks at it, which may have more rights than the one that wrote it.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # `sandbox` gives the document an origin of its own, without scripts, forms and cookies. Styles may be,
    # because the page for people has some.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; sandbox"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # No other site may load an object into a page of its own, where it is outside of the sandbox.
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Harmless:
    """Middleware that adds the headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response."""

        async def confining(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, confining)
