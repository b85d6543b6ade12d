"""The demo says what stopped it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from include.exceptions import MillraceError
from include.platform.demo.airflow import Airflow
from include.platform.demo.story import Story
from include.tracking.server import TrackingServer


class RefusedAirflow:
    """An Airflow in which every run ends well, and the gate refuses the candidate."""

    def wait_for_dag(self, dag_id: str) -> None:
        """Find every DAG."""

    def run(self, dag_id: str, run_id: str, conf: dict[str, str]) -> None:
        """Run everything at once."""

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        return {"gate": {"reasons": ["latency 61.0 ms is above 50 ms", "too few rows"]}}.get(task_id)

    def link(self, dag_id: str, run_id: str) -> str:
        return f"http://airflow/{dag_id}/{run_id}"


def test_a_first_champion_that_the_gate_refuses_ends_it_with_the_reasons(tracking: TrackingServer) -> None:
    story = Story(cast(Airflow, RefusedAirflow()), tracking, lambda text: None)

    with pytest.raises(MillraceError) as caught:
        story.begin()

    assert "refused the first champion: latency 61.0 ms is above 50 ms; too few rows" in str(caught.value)
    assert "http://airflow/flights.train/demo__train__2013-03-31" in str(caught.value)
