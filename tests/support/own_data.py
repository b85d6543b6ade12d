"""Data as newcomers have it: tables of orders whose target can be learned, written in some way."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any

FIRST = datetime(2024, 1, 1)
Row = dict[str, Any]


def orders(days: int = 40, a_day: int = 24) -> list[Row]:
    """Orders, the more expensive of which come back; toys more often than books."""
    draw = random.Random(7)
    rows = []
    for number in range(days * a_day):
        amount, kind = round(draw.gauss(50, 10), 2), draw.choice(["book", "toy", "food"])
        odds = (amount - 50) / 5 + (1 if kind == "toy" else -0.5)
        rows.append(
            {
                "order_id": number + 1,
                "created": FIRST + timedelta(hours=number * 24 / a_day),
                "amount": amount,
                "weight": None if number % 9 == 0 else round(draw.uniform(0.1, 9), 3),
                "kind": kind,
                "zip": draw.choice(["01067", "10115", "80331"]),
                "email": f"person{number}@example.org",
                "returned": int(draw.random() < 1 / (1 + exp(-odds))),
            }
        )
    return rows


def write(
    file: Path,
    rows: Iterable[Row],
    *,
    cell: Callable[[Any], str] = lambda value: "" if value is None else str(value),
    encoding: str = "utf-8",
    **dialect: Any,
) -> Path:
    """Write rows as CSV; `cell` makes the text of a value."""
    rows = list(rows)
    with file.open("w", newline="", encoding=encoding) as out:
        writer = csv.writer(out, **dialect)
        writer.writerow(rows[0])
        writer.writerows([cell(value) for value in row.values()] for row in rows)
    return file


def german(value: Any) -> str:
    """A value as a spreadsheet in Germany writes it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,}".replace(",", "_").replace(".", ",").replace("_", ".")
    return f"{value:%d.%m.%Y %H:%M}" if isinstance(value, datetime) else str(value)
