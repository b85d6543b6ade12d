"""The section `labels`, against the sections that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.contract.feed import Stage
from include.exceptions import Misconfigured, PipelineInvalid
from tests.support.pipeline import write_pipeline

SOURCE = {"reader": "csv", "uri": "outcomes-{dt}.csv", "partition_by": "decided"}
LABELS: dict[str, Any] = {"source": SOURCE, "keys": ["id"]}


def faults(parent: Path, labels: Any = LABELS, **changes: Any) -> list[str]:
    with pytest.raises(PipelineInvalid) as raised:
        loader.load(write_pipeline(parent, labels=labels, **changes))
    return [f"{path}: {message}" for path, message in raised.value.faults]


def test_a_pipeline_has_one_feed_or_two(tmp_path: Path) -> None:
    alone = loader.load(write_pipeline(tmp_path / "alone"))
    assert [feed.table for feed in alone.feeds] == ["orders"]
    with pytest.raises(Misconfigured, match="pipeline 'orders' has no section labels; write it, or keep"):
        alone.feed(Stage.LABELS)
    both = loader.load(
        write_pipeline(
            tmp_path / "both", labels=LABELS, source={"timezone": "Europe/Berlin"}, columns={"id": "string"}
        )
    )
    rows, labels = both.feeds
    assert (rows.table, labels.table) == ("orders", "orders_labels")
    assert (rows.partner, labels.partner) == ("orders_labels", "orders")
    assert (rows.target, rows.elsewhere, labels.target) == (None, "returned", "returned")
    assert "returned" not in rows.required
    assert dict(labels.required) == {"id": "labels.keys", "returned": "model.target"}
    assert labels.source.timezone == "Europe/Berlin"  # as a day of the rows begins
    assert labels.columns["id"].type == "string"  # a key is declared once
    assert [name for _, _, name in both.tables] == ["orders", "orders_labels", "orders_predictions"]


def test_the_target_is_no_column_of_the_rows(tmp_path: Path) -> None:
    assert faults(tmp_path, columns={"returned": "integer"}) == [
        "columns.returned: 'returned' is the target, which the labels bring, and not the rows; declare "
        "it under labels.columns"
    ]


def test_the_target_may_be_dropped_from_the_rows(tmp_path: Path) -> None:
    loaded = loader.load(write_pipeline(tmp_path, labels=LABELS, privacy={"drop": ["returned"]}))
    assert loaded.feed(Stage.LABELS).dropped == ()


@pytest.mark.parametrize(
    ("labels", "changes", "fault"),
    [
        ({"keys": []}, {}, "labels.keys: "),
        ({"keys": ["id", "id"]}, {}, "labels.keys: keys names 'id' twice; name each column once"),
        (
            {"keys": ["returned"]},
            {},
            "labels.keys: 'returned' is the target; name columns that rows and labels",
        ),
        ({"keys": ["prediction"]}, {}, "labels.keys[0]: 'prediction' is the name of the model's predictions"),
        ({}, {"privacy": {"drop": ["id"]}}, "labels.keys: 'id' is dropped by privacy.drop; name another"),
        ({}, {"privacy": {"drop": ["decided"]}}, "labels.source.partition_by: 'decided' is dropped by"),
        ({"suite": "labels.yaml"}, {}, "labels.suite: "),
        (
            {"columns": {"returned": "string"}},
            {},
            "labels.columns.returned: is 'string'; it has to be boolean",
        ),
        (
            {"columns": {"decided": "float"}},
            {},
            "labels.columns.decided: is 'float'; it has to be date, string",
        ),
        (
            {"columns": {"id": "integer"}},
            {"columns": {"id": "string"}},
            "labels.columns.id: is 'integer', and columns.id is 'string'; a key has one type in rows and",
        ),
        (
            {},
            {"columns": {"id": {"type": "string", "since": "2024-03-01"}}},
            "columns.id.since: is for features; every row needs this column",
        ),
        ({"refresh": "12h"}, {}, "labels.refresh: "),
        (
            {"source": {**SOURCE, "partition_by": "returned"}},
            {},
            "labels.source.partition_by: 'returned' is the",
        ),
        ({"key": "id"}, {}, "labels.key: "),
        ({"keys": [["id"], 5]}, {"model": {"target": ["x"]}}, "labels.keys"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key(
    tmp_path: Path, labels: dict[str, Any], changes: dict[str, Any], fault: str
) -> None:
    found = faults(tmp_path, {**LABELS, **labels}, **changes)
    assert [one for one in found if one.startswith(fault)], found


def test_a_schedule_of_labels_needs_labels(tmp_path: Path) -> None:
    assert faults(tmp_path, None, schedule={"labels": "@daily"}) == [
        "schedule.labels: '@daily' is the schedule of labels that have a source of their own, and there is "
        "no section labels; write the section, or remove the key"
    ]


def test_a_delay_that_leaves_nothing_to_judge_is_refused(tmp_path: Path) -> None:
    late = {"window": "7d", "label_delay": "30d"}
    assert faults(tmp_path / "judged", monitoring={**late, "performance": {"metric": "roc_auc"}}) == [
        "monitoring: label_delay (30d) is longer than window (7d): no row of a window would have its target, "
        "and performance nothing to judge; widen window to at least 30d, or remove performance"
    ]
    assert loader.load(write_pipeline(tmp_path / "drift", labels=LABELS, monitoring=late))
