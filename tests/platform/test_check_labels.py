"""A dry run reads labels that come from a source of their own, and joins them with the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.platform.check import Finding, check
from tests.platform.test_check import MODEL
from tests.support.pipeline import SUITE, Row, day, orders, write_csv, write_parquet, write_pipeline

SOURCE = {"reader": "csv", "uri": "outcomes.csv", "partition_by": "decided"}
LABELS: dict[str, Any] = {"source": SOURCE, "keys": ["id"]}
ORDERS = ("time", "id", "amount", "kind")
SUITE_OF_ROWS = {**SUITE, "rows": SUITE["rows"][1:]}


def outcomes(number: int = 59, **changes: Any) -> list[Row]:
    rows = [
        {"id": row["id"], "returned": row["returned"], "decided": f"{day(62)}"}
        for row in orders(*range(number))
    ]
    return [{**row, **changes} for row in rows]


def run(
    parent: Path, labels: dict[str, Any] = LABELS, rows: list[Row] | None = None, **changes: Any
) -> list[Finding]:
    folder = write_pipeline(parent, suite=SUITE_OF_ROWS, labels=labels, **changes)
    (folder / "model.py").write_text(MODEL)
    write_csv(folder / "orders.csv", [{key: row[key] for key in ORDERS} for row in orders(*range(60))])
    if rows is None:
        write_csv(folder / "outcomes.csv", outcomes())
    elif rows and labels["source"]["reader"] == "parquet":
        write_parquet(folder / "outcomes.parquet", rows)
    elif rows:
        write_csv(folder / "outcomes.csv", rows)
    return list(check(folder, day(0), day(59)))


def faults(found: list[Finding]) -> list[str]:
    return [f"{one.step}: {one.seen}: {one.fault}" for one in found if one.fault]


def test_labels_are_read_checked_and_joined(tmp_path: Path) -> None:
    found = {one.step: one.seen for one in run(tmp_path)}
    assert found["labels.source"] == "236 rows in 1 of 1 day(s), 3 columns"
    assert found["labels"] == "236 row(s) have a label, 4 wait, 0 label(s) have no row"
    assert found["model"].startswith("Pipeline, fitted on 236 rows")


def test_a_text_of_digits_is_the_key_that_the_rows_have(tmp_path: Path) -> None:
    assert faults(run(tmp_path, columns={"id": "string"})) == []


@pytest.mark.parametrize(
    ("labels", "rows", "fault"),
    [
        ({}, [], "labels.source: not read: 'outcomes.csv' does not exist"),
        (
            {"keys": ["order"]},
            None,
            "labels: implied checks: order: expect_column_to_exist (labels.keys) failed",
        ),
        (
            {"keys": ["order"]},
            None,
            "labels: not joined: column 'order' is missing for table 'orders'; correct",
        ),
        (
            {},
            outcomes(returned=2),
            "labels: implied checks: returned: expect_column_values_to_be_0_or_1 (model.targ",
        ),
        (
            {},
            outcomes(id=7777),
            "labels: 0 row(s) have a label, 240 wait, 236 label(s) have no row: correct",
        ),
        (
            {"source": {**SOURCE, "reader": "parquet", "uri": "outcomes.parquet"}},
            outcomes(id="a"),
            "labels.source: not read: 'outcomes.parquet': column 'id' does not fit integer (string in",
        ),
    ],
    ids=["no file", "no key in labels", "no key in rows", "targets", "other keys", "types"],
)
def test_what_would_stop_the_labels_is_named(
    tmp_path: Path, labels: dict[str, Any], rows: list[Row] | None, fault: str
) -> None:
    found = faults(run(tmp_path, {**LABELS, **labels}, rows))
    assert [one for one in found if one.startswith(fault)], found
