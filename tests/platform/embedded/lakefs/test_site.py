"""What the server has beside the API: a page, health, metrics, a description."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest
import urllib3

from include.platform.embedded.lakefs.metrics import Metrics
from tests.support.lake import ACCESS_KEY, READER_KEY, READER_SECRET, SECRET_KEY, LakeServer


def get(server: LakeServer, path: str, user: str = "", secret: str = "", method: str = "GET") -> Any:
    basic = f"Basic {b64encode(f'{user}:{secret}'.encode()).decode()}"
    headers = {"Authorization": basic} if user else {}
    return urllib3.request(method, server.connection.endpoint + path, headers=headers)


def samples(server: LakeServer) -> dict[str, float]:
    text = get(server, "/metrics", READER_KEY, READER_SECRET).data.decode()
    return {name: float(value) for name, value in re.findall(r"^(lake_\w+\{.*\}) (\S+)$", text, re.MULTILINE)}


def test_the_page_and_health_need_no_keys(lake_server: LakeServer) -> None:
    page = get(lake_server, "/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"embedded lake" in page.data
    assert get(lake_server, "/_health").status == 200
    assert get(lake_server, "/_health", method="HEAD").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_the_rest_needs_keys(lake_server: LakeServer, path: str) -> None:
    assert get(lake_server, path).status == 401
    assert get(lake_server, path, ACCESS_KEY, "wrong").status == 401
    assert get(lake_server, path, ACCESS_KEY, SECRET_KEY).status == 200
    assert get(lake_server, path, READER_KEY, READER_SECRET).status == 200


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/v1/repositories/no-such-repository", "/api/v1/repositories/{repository}", 404),
        ("/api/v1/config/version", "/api/v1/config/version", 401),
        ("/nowhere", "none", 404),
        ("/bucket?X-Amz-Signature=1", "none", 501),
    ],
)
def test_requests_are_counted_by_route(lake_server: LakeServer, path: str, route: str, status: int) -> None:
    count = f'lake_requests_total{{method="GET",route="{route}",status="{status}"}}'
    timed = f'lake_request_duration_seconds_count{{method="GET",route="{route}"}}'
    before = samples(lake_server)
    keys = ("", "") if status == 401 else (ACCESS_KEY, SECRET_KEY)
    assert get(lake_server, path, *keys).status == status
    after = samples(lake_server)
    assert after[count] == before.get(count, 0) + 1
    assert after[timed] == before.get(timed, 0) + 1


def test_a_made_up_method_adds_no_label() -> None:
    metrics = Metrics()
    metrics.observe("BREW", "none", 404, 0.1)
    assert b'lake_requests_total{method="other",route="none",status="404"} 1.0' in metrics.text()


def test_the_description_names_what_is_served_and_nothing_else(lake_server: LakeServer) -> None:
    paths = get(lake_server, "/openapi.json", ACCESS_KEY, SECRET_KEY).json()["paths"]
    assert {"get", "post"} <= paths["/api/v1/repositories"].keys()
    assert list(paths["/api/v1/repositories/{repository}/pulls"]) == ["get"]
    assert not [path for path in paths if "/import" in path or "{rest}" in path]
