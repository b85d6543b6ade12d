"""A receiver of webhooks, in a thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Reply = tuple[int, bytes, dict[str, str]]
OK: Reply = (200, b"fine", {})


@dataclass
class Receiver:
    """Received bodies, paths and headers; `reply` is called with each body and path."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    reply: Callable[[dict[str, Any], str], Reply] = lambda _body, _path: OK
    arrived: Event = field(default_factory=Event)

    @property
    def events(self) -> list[str]:
        return [body["event_type"] for body in self.bodies]

    def wait(self, number: int) -> list[dict[str, Any]]:
        """Return the bodies once there are `number`, which may arrive after their change."""
        while len(self.bodies) < number:
            assert self.arrived.wait(20), self.events
            self.arrived.clear()
        return self.bodies


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Yield a running receiver on loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.paths.append(self.path)
            receiver.headers.append(dict(self.headers))
            receiver.bodies.append(body)
            status, content, headers = receiver.reply(body, self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            receiver.arrived.set()

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
