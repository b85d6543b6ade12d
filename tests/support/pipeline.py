"""A small pipeline in a folder of its own, for tests: orders of a shop, a few a day."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

NAME = "orders"
FIRST = date(2024, 3, 1)
Row = dict[str, Any]

CONTRACT: dict[str, Any] = {
    "name": NAME,
    "description": "Will an order be returned?",
    "owner": "shop",
    "source": {"reader": "csv", "uri": "orders.csv", "partition_by": "time"},
    "lake": {"repository": "orders", "table": "orders"},
    "model": {
        "target": "returned",
        "time": "time",
        "features": {"numerical": ["amount"], "categorical": ["kind"]},
    },
    "gate": {"minimum": 0.5},
}

SUITE: dict[str, Any] = {
    "partitions": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "rows", "min_value": 2, "max_value": 50},
        }
    ],
    "rows": [
        {
            "type": "expect_table_columns_to_match_set",
            "kwargs": {"column_set": ["time", "id", "amount", "kind", "returned"]},
        },
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount"}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "amount", "min_value": 0, "max_value": 100},
        },
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "kind", "value_set": ["book", "toy"]},
        },
        {
            "type": "expect_column_mean_to_be_between",
            "kwargs": {"column": "amount", "max_value": 50},
            "severity": "warning",
        },
    ],
}


def day(number: int) -> date:
    """The first days are 1 March 2024 and on."""
    return FIRST + timedelta(days=number)


def orders(*days: int, count: int = 4) -> list[Row]:
    """`count` good rows for each day."""
    return [
        {
            "time": f"{day(number)} 0{hour}:30:00",
            "id": 100 * number + hour,
            "amount": 10.5 + hour,
            "kind": "toy" if hour % 2 else "book",
            "returned": hour % 2,
        }
        for number in days
        for hour in range(count)
    ]


def write_csv(file: Path, rows: Iterable[Row], columns: Iterable[str] = tuple(orders(0)[0])) -> None:
    """Rows as CSV; with no rows, a header only."""
    rows = list(rows)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]) if rows else list(columns))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(file: Path, rows: Iterable[Row]) -> None:
    """Rows as Parquet; times stay text."""
    pq.write_table(pa.Table.from_pylist(list(rows)), file)


def write_pipeline(parent: Path, name: str = NAME, suite: Any = None, **changes: Any) -> Path:
    """The folder of a pipeline; `changes` are laid over sections of the contract (None takes one away)."""
    folder = parent / name
    folder.mkdir(parents=True)
    contract = {**CONTRACT, "name": name}
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(contract.get(key), dict)
        contract[key] = {**contract[key], **value} if both else value
    kept = {key: value for key, value in contract.items() if value is not None}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    (folder / "expectations.yaml").write_text(yaml.safe_dump(SUITE if suite is None else suite))
    (folder / "model.py").write_text("def build(model):\n    raise NotImplementedError\n")
    return folder
