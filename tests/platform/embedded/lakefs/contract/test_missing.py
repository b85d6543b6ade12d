"""Unsupported options of supported operations of the embedded server are answered with 501."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.support.contract import Wire
from tests.support.lake import LakeServer


@pytest.fixture
def embedded(lake_server: LakeServer) -> Wire:
    return Wire(lake_server.connection)


@pytest.mark.missing("commit", "commits of a `source_metarange`")
def test_commits_of_a_metarange(embedded: Wire, lake_server: LakeServer) -> None:
    wire = embedded.under("repositories", lake_server.lake(f"contract-{uuid4().hex[:12]}").repository)
    answer = wire.post("/branches/main/commits", {"message": "m"}, source_metarange="x")
    assert answer.refused == 501
