"""The published client over the shared server."""

from __future__ import annotations

import pytest
from lakefs_client.client import LakeFSClient

from include.lake.client import Lake
from tests.support.lake import LakeServer
from tests.support.repo import Repo, client_of


@pytest.fixture(scope="session")
def client(lake_server: LakeServer) -> LakeFSClient:
    return client_of(lake_server.connection)


@pytest.fixture
def repo(client: LakeFSClient, lake: Lake) -> Repo:
    """A repository of the test's own, behind the published client."""
    return Repo(client, lake.repository)
