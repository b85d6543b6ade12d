"""The health check of Airflow's parts reads Airflow's API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from include.platform.compose.health import state
from tests.support.strangers import server_that_answers

ANSWER = {"scheduler": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}, "dag_processor": None}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server_that_answers(200, json.dumps(ANSWER).encode()) as found:
        yield f"{found}/api/v2/monitor/health"


@pytest.mark.parametrize(
    ("part", "found"),
    [("scheduler", "healthy"), ("triggerer", "unhealthy"), ("dag_processor", "None"), ("other", "None")],
)
def test_a_part_is_as_the_api_says(url: str, part: str, found: str) -> None:
    assert state(part, url) == found
