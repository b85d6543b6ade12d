"""The health check of Airflow's parts reads Airflow's API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from include.platform.compose.health import state

ANSWER = {"scheduler": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}, "dag_processor": None}


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(ANSWER).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v2/monitor/health"
        server.shutdown()


@pytest.mark.parametrize(
    ("part", "found"),
    [("scheduler", "healthy"), ("triggerer", "unhealthy"), ("dag_processor", "None"), ("other", "None")],
)
def test_a_part_is_as_the_api_says(url: str, part: str, found: str) -> None:
    assert state(part, url) == found
