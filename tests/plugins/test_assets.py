"""What a run reads from the events of a branch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.api.datamodels._generated import AssetEventDagRunReference, AssetReferenceAssetEventDagRun
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

from dags.examples import on_commit
from millrace.assets import branch_asset, handed_commits
from millrace.operators.lakefs import LakeFSGetRefOperator

BRANCH = branch_asset("flights")


def polled(minute: int, *commits: str) -> Any:
    """Return an event of the watcher."""
    return _event(minute, {"from_trigger": True, "payload": {"commit": commits[-1], "commits": [*commits]}})


def called(minute: int, commit: str) -> Any:
    """Return an event of the webhook."""
    return _event(minute, {"commit": commit})


def _event(minute: int, extra: Any) -> Any:
    return AssetEventDagRunReferenceResult.from_asset_event_dag_run_reference(
        AssetEventDagRunReference(
            asset=AssetReferenceAssetEventDagRun(name=BRANCH.name, uri=BRANCH.uri, extra={}),
            extra=extra,
            source_task_id=None,
            source_dag_id=None,
            source_run_id=None,
            source_map_index=None,
            source_aliases=[],
            timestamp=datetime(2024, 3, 31, 2, minute, tzinfo=UTC),
        )
    )


EVENTS = [
    pytest.param([polled(1, "a", "b", "c")], ["a", "b", "c"], id="a poll"),
    pytest.param(
        [polled(2, "c"), polled(3, "d"), polled(1, "a", "b")], ["a", "b", "c", "d"], id="out of order"
    ),
    pytest.param([called(3, "c"), called(1, "a"), called(2, "b")], ["a", "b", "c"], id="webhook"),
    pytest.param([polled(2, "a", "b", "c"), polled(1, "a", "b")], ["a", "b", "c"], id="emitted again"),
    pytest.param([polled(1, "a", "b"), polled(2, "a")], ["b", "a"], id="branch moved back"),
]


@pytest.mark.parametrize(("events", "commits"), EVENTS)
def test_a_run_reads_its_commits_oldest_first_and_each_once(events: list[Any], commits: list[str]) -> None:
    assert handed_commits(TriggeringAssetEventsAccessor.build(events)[BRANCH]) == commits


@pytest.mark.parametrize(("events", "commits"), EVENTS)
def test_the_example_runs_for_the_newest_commit(events: list[Any], commits: list[str]) -> None:
    with DAG("on_commit", schedule=None):  # a DAG's templates refuse what is undefined
        show = LakeFSGetRefOperator(task_id="show", ref=on_commit.COMMIT)
    show.render_template_fields({"triggering_asset_events": TriggeringAssetEventsAccessor.build(events)})
    assert show.ref == commits[-1]


def test_a_run_that_was_started_by_hand_has_no_commits() -> None:
    assert handed_commits([]) == []
