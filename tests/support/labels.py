"""The loop of tests with its labels in a second table: one delivery of them is a partition."""

from __future__ import annotations

from typing import Any

import pandas as pd

from include.lake.table import Table
from tests.support.loop import Loop, put, rows
from tests.support.pipeline import day

SOURCE = {"reader": "csv", "uri": "outcomes.csv", "partition_by": "decided"}
SECTION: dict[str, Any] = {"source": SOURCE, "keys": ["id"]}


def orders(number: int) -> pd.DataFrame:
    """The orders of a day with an id each, and without their target."""
    frame = rows(number)
    return frame.drop(columns="returned").assign(id=range(1000 * number, 1000 * number + len(frame)))


def outcomes(*numbers: int, at: int | None = None) -> pd.DataFrame:
    """What became of the orders of some days, decided on the day `at`."""
    found = [
        pd.DataFrame({"id": orders(number)["id"], "returned": rows(number)["returned"]}) for number in numbers
    ]
    return pd.concat(found, ignore_index=True).assign(decided=pd.Timestamp(day(at or numbers[-1])))


def label_table(loop: Loop) -> Table:
    return Table(loop.lake, f"{loop.pipeline.lake.table}_labels")


def put_labels(loop: Loop, days: dict[int, pd.DataFrame]) -> str:
    """Let partitions of labels hold these, in one commit; its id."""
    return put(label_table(loop), loop.pipeline.lake.branch, days)
