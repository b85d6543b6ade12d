"""The DAG `labels`: the steps of `ingest`, for the pipelines whose labels have a source of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from include.settings import settings
from tests.support.dags import dag_bag
from tests.support.pipeline import write_pipeline

SOURCE = {"reader": "csv", "uri": "outcomes-{dt}.csv", "partition_by": "decided", "missing": "wait"}


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    parent = tmp_path_factory.mktemp("pipelines")
    write_pipeline(parent, "plain", lake={"table": "plain"})
    write_pipeline(
        parent,
        "later",
        source={"timezone": "Europe/Berlin"},
        lake={"table": "later"},
        labels={"source": SOURCE, "keys": ["id"], "refresh": "7d"},
        schedule={"labels": "30 4 * * *", "since": "2024-03-01"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_PIPELINES", str(parent))
        settings.cache_clear()
        bag = dag_bag()
        assert bag.import_errors == {}
        yield bag.dags
    settings.cache_clear()


def test_only_a_pipeline_with_labels_has_the_dag(dags: dict[str, Any]) -> None:
    assert {name for name in dags if name.startswith("plain")} == {
        "plain.ingest",
        "plain.decide",
        "plain.train",
        "plain.monitor",
    }
    assert {"later.labels", "later.decide_labels"} <= dags.keys()


def test_it_has_the_steps_of_ingest_and_an_asset_of_its_own(dags: dict[str, Any]) -> None:
    labels, ingest = dags["later.labels"], dags["later.ingest"]
    assert labels.task_ids == ["wait_for_files", *ingest.task_ids]
    for name in ingest.task_ids:
        assert type(labels.get_task(name)) is type(ingest.get_task(name))
        if name != "open_branch" and name != "quarantine":
            assert (labels.get_task(name).stage, ingest.get_task(name).stage) == ("labels", "ingest")
    assert labels.get_task("load").branch.startswith("labels-")
    assert [one.uri for one in labels.get_task("publish").outlets] == ["lakefs://orders/main/later_labels"]
    assert [one.uri for one in ingest.get_task("publish").outlets] == ["lakefs://orders/main/later"]
    assert labels.max_active_runs == 1  # runs that look back would get in each other's way
    assert str(labels.timezone) == "Europe/Berlin"  # of the rows, as the labels name none


def test_people_decide_about_labels_in_a_dag_with_the_asset_of_labels(dags: dict[str, Any]) -> None:
    rows, labels = dags["later.decide"], dags["later.decide_labels"]
    assert labels.task_ids == rows.task_ids
    assert {task.stage for task in labels.tasks} == {"labels"}
    assert [one.uri for one in labels.get_task("publish").outlets] == ["lakefs://orders/main/later_labels"]
    assert [one.uri for one in rows.get_task("publish").outlets] == ["lakefs://orders/main/later"]
