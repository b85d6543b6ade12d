"""Labels find their rows by key, the newest counts, and a row stays one row."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.contract import loader
from include.contract.feed import Feed, Stage
from include.contract.pipeline import Pipeline
from include.exceptions import BadData
from include.modelling.key_index import KeyIndex
from include.modelling.labels import LabelCounts, targets
from tests.support.pipeline import write_pipeline

DAY = date(2024, 3, 1)


def pipeline(parent: Path, *keys: str) -> Pipeline:
    source = {"reader": "csv", "uri": "outcomes.csv", "partition_by": "decided"}
    return loader.load(write_pipeline(parent, labels={"source": source, "keys": list(keys)}))


@pytest.fixture
def by_id(tmp_path: Path) -> Pipeline:
    return pipeline(tmp_path, "id")


def join(
    of: Pipeline, rows: dict[str, Any], *labels: dict[str, Any]
) -> tuple[list[float | None], LabelCounts]:
    """The target of each row, None where it is not known, and the counts."""
    feed: Feed = of.feed(Stage.LABELS)
    index = KeyIndex(pa.table(rows), "orders", feed)
    found, counts = targets(index, (pa.table(one) for one in labels), feed, of.model)
    return [None if np.isnan(value) else float(value) for value in found], counts


def test_rows_without_a_label_wait_and_labels_without_a_row_are_counted(by_id: Pipeline) -> None:
    found, counts = join(by_id, {"id": [1, 2, 3]}, {"id": [3, 1, 9], "returned": [1, 0, 1]})
    assert found == [0, None, 1]
    assert counts == LabelCounts(matched=2, waiting=1, orphan=1, labels=3, table="orders_labels")
    assert counts.numbers("held_out.") == {
        "held_out.labels.matched": 2,
        "held_out.labels.waiting": 1,
        "held_out.labels.orphan": 1,
    }


def test_of_several_labels_the_newest_counts_also_where_it_takes_one_back(by_id: Pipeline) -> None:
    older = {"id": [1, 2, 3], "returned": pa.array([0, 0, 0])}
    newer = {"id": [2, 3, 2], "returned": pa.array([0, None, 1])}
    assert join(by_id, {"id": [1, 2, 3]}, older, newer)[0] == [0, 1, None]


def test_a_key_that_occurs_twice_in_the_rows_makes_no_row_more(by_id: Pipeline) -> None:
    found, counts = join(by_id, {"id": [1, 1, 2]}, {"id": [1, 1], "returned": [1, 1]})
    assert found == [1, 1, None]
    assert (counts.matched, counts.orphan) == (2, 0)


def test_missing_keys_find_nothing_on_either_side(by_id: Pipeline) -> None:
    rows = {"id": pa.array([None, 1.0, float("nan")])}
    found, counts = join(by_id, rows, {"id": pa.array([None, float("nan"), 1.0]), "returned": [1, 1, 0]})
    assert (found, counts.orphan) == ([None, 0, None], 2)


def test_several_keys_are_one_key_together(tmp_path: Path) -> None:
    of = pipeline(tmp_path, "shop", "id")
    rows = {"shop": ["a", "b", "a", None], "id": [1, 1, 2, 1]}
    labels = {"shop": ["b", "a", "b", "c"], "id": [1, 2, 2, 1], "returned": [1, 0, 1, 1]}
    found, counts = join(of, rows, labels)
    assert found == [None, 1, 0, None]
    assert counts.orphan == 2


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (pa.array([1, 2], pa.int32()), pa.array([2, 2**40], pa.int64())),
        (pa.array([1, 2]), pa.array([2.0, 2.5])),
        (pa.array([1.0, 2.0]), pa.array([2, 2**53 + 1])),
        (pa.array(["x", "y"]), pa.array(["y", "z"]).dictionary_encode()),
        (pa.array(["x", "y"], pa.large_string()), pa.array(["y", "z"])),
        (pa.array([DAY, date(2024, 3, 2)]), pa.array([datetime(2024, 3, 2), datetime(2024, 3, 2, 1)])),
        (pa.array([1, 2]), pa.array([None, None])),
    ],
    ids=str,
)  # fmt: skip
def test_keys_of_one_kind_meet_where_they_are_the_same(
    by_id: Pipeline, rows: pa.Array, labels: pa.Array
) -> None:
    found, counts = join(by_id, {"id": rows}, {"id": labels, "returned": [1, 0]})
    is_null = labels.null_count == 2
    assert found == ([None, None] if is_null else [None, 1])
    assert counts.orphan == (2 if is_null else 1)


def test_keys_of_two_kinds_are_refused_with_both_and_the_remedy(by_id: Pipeline) -> None:
    with pytest.raises(BadData) as raised:
        join(by_id, {"id": [1, 2]}, {"id": ["1", "2"], "returned": [1, 0]})
    assert str(raised.value) == (
        "key 'id' is 'int64' in table 'orders', and 'string' in table 'orders_labels': no label would find "
        "its row; declare columns.id, and run `make evolve PIPELINE=orders`"
    )


def test_lists_are_no_keys(by_id: Pipeline) -> None:
    with pytest.raises(BadData, match="by which no row is found; name a column of single values"):
        join(by_id, {"id": [[1], [2]]}, {"id": [1], "returned": [1]})


def test_targets_are_0_or_1_and_no_value_is_quoted(by_id: Pipeline) -> None:
    with pytest.raises(
        BadData, match="target 'returned' holds values other than 0 and 1 in 1 of 2 rows"
    ) as raised:
        join(by_id, {"id": [1]}, {"id": [1, 2], "returned": ["secret", "1"]})
    assert "secret" not in str(raised.value)


def test_no_labels_at_all_let_every_row_wait(by_id: Pipeline) -> None:
    found, counts = join(by_id, {"id": [1, 2]})
    assert (found, counts.waiting, counts.labels) == ([None, None], 2, 0)
    assert counts.explain("orders") == (
        "; table 'orders_labels' has no label of these days or later: run orders.labels first"
    )
