"""Contract tests run against the embedded server and, if the environment names one, a real lakeFS."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from lakefs_client.client import LakeFSClient

from include.lake.client import LakeConnection
from tests.support.contract import Wire, real_lakefs
from tests.support.lake import LakeServer
from tests.support.repo import Repo, client_of


@pytest.fixture(scope="session", params=["embedded", *(["real"] if real_lakefs() else [])])
def server(request: pytest.FixtureRequest) -> LakeConnection:
    real = real_lakefs()
    if real and request.param == "real":
        return real
    running: LakeServer = request.getfixturevalue("lake_server")
    return running.connection


@pytest.fixture(scope="session")
def client(server: LakeConnection) -> LakeFSClient:
    return client_of(server)


@pytest.fixture(scope="session")
def lakefs(server: LakeConnection) -> Wire:
    """Connection to the server."""
    return Wire(server)


@pytest.fixture
def repo(client: LakeFSClient, lakefs: Wire) -> Iterator[Repo]:
    """A repository for one test, used through the published client."""
    name = f"contract-{uuid4().hex[:12]}"
    made = lakefs.post("/repositories", {"name": name, "storage_namespace": f"local://{name}"})
    assert made.status == 201, made
    yield Repo(client, name)
    lakefs.delete(f"/repositories/{name}", force=True)


@pytest.fixture
def wire(lakefs: Wire, repo: Repo) -> Wire:
    """The same repository, used by raw requests."""
    return lakefs.under("repositories", repo.name)
