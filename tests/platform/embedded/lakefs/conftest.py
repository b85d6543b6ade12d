"""Fixtures with the published client and a shared server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lakefs_client.client import LakeFSClient

from include.lake.client import Lake
from tests.support.lake import LakeServer, run_lake_server
from tests.support.repo import Repo, client_of


@pytest.fixture(scope="session")
def client(lake_server: LakeServer) -> LakeFSClient:
    return client_of(lake_server.connection)


@pytest.fixture
def repo(client: LakeFSClient, lake: Lake) -> Repo:
    """A repository for one test, used through the published client."""
    return Repo(client, lake.repository)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    """A server for these tests only, which kill it or modify its files."""
    with run_lake_server(tmp_path_factory.mktemp("mortal")) as server:
        yield server
