"""HTTP servers that are not what the client expects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def server_that_answers(
    status: int, body: bytes, kind: str = "application/json"
) -> AbstractContextManager[str]:
    """Yield the URL of a server that answers every request with the same response."""
    return server_that_replies(lambda path: (status, body), kind)


@contextmanager
def server_that_replies(
    reply: Callable[[str], tuple[int, bytes]], kind: str = "application/json"
) -> Iterator[str]:
    """Yield the URL of a server that answers with the status and the body that `reply` returns for a path."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            status, body = reply(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
