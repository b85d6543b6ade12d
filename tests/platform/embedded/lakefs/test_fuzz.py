"""Requests that schemathesis derives from the server's own description; `make test WHAT=fuzz` sends more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from include.platform.embedded.lakefs.routes import server as routes
from tests.fuzz.lake import fuzz_lake
from tests.support.contract import Wire
from tests.support.lake import LakeServer, run_lake_server

FEW = ("--max-examples", "5", "--phases", "coverage,fuzzing", "--generation-deterministic")
SERVED = re.compile(r'^lake_requests_total\{method="(\w+)",route="([^"]+)",status="2\d\d"\}', re.MULTILINE)
RARELY = {
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/setup_lakefs"),
    ("PUT", "/api/v1/repositories/{repository}/branches/{branch}/staging/backing"),
    ("GET", "/api/v1/repositories/{repository}/settings/gc_rules"),
    ("GET", "/api/v1/repositories/{repository}/actions/runs/{run_id}"),
    ("GET", "/api/v1/repositories/{repository}/actions/runs/{run_id}/hooks"),
    ("GET", "/api/v1/repositories/{repository}/actions/runs/{run_id}/hooks/{hook_run_id}/output"),
    ("POST", "/api/v1/repositories/{repository}/branches/{branch}/revert"),
    ("POST", "/api/v1/repositories/{repository}/refs/{source}/merge/{branch}"),
    ("DELETE", "/api/v1/repositories/{repository}/tags/{tag}"),
}
"""Operations that need keys, addresses, runs, changes or a spare tag to succeed, as few requests here do."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    with run_lake_server(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


@pytest.fixture(scope="module")
def described(server: LakeServer) -> dict[str, Any]:
    keys = {"Authorization": Wire(server.connection).basic()}
    found: dict[str, Any] = urllib3.request(
        "GET", f"{server.connection.endpoint}/openapi.json", headers=keys
    ).json()
    return found


def test_every_operation_answers_as_described(server: LakeServer, described: dict[str, Any]) -> None:
    outcome = fuzz_lake(server, *FEW)
    operations = {(m.upper(), path) for path, methods in described["paths"].items() for m in methods}
    assert outcome.failures == (), outcome.output
    assert outcome.operations == len(operations) > 50
    keys = {"Authorization": Wire(server.connection).basic()}
    metrics = urllib3.request("GET", f"{server.connection.endpoint}/metrics", headers=keys).data.decode()
    assert operations - set(SERVED.findall(metrics)) <= RARELY


def test_all_but_the_public_operations_need_keys(described: dict[str, Any]) -> None:
    operations = [(path, one) for path, methods in described["paths"].items() for one in methods.values()]
    public = {path for path, one in operations if one.get("security") == []}
    assert public == {f"/api/v1{route.path}" for route in routes.public.routes}  # type: ignore[attr-defined]
    assert [scheme for one in described["security"] for scheme in one] == ["keys", "token", "session"]
    for path, one in operations:
        assert ("401" in one["responses"]) == (path not in public or path.endswith("/login"))
        assert "422" not in one["responses"]
