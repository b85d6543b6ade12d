"""Servers that many tests share."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from include.lake.client import Lake
from tests.support.lake import LakeServer, run_lake_server


@pytest.fixture(scope="session")
def lake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    """One lake server for all tests that leave it running."""
    with run_lake_server(tmp_path_factory.mktemp("lake")) as server:
        yield server


@pytest.fixture
def lake(lake_server: LakeServer) -> Lake:
    """A repository of the test's own."""
    return lake_server.lake(f"test-{uuid4().hex[:12]}")
