"""Columns that no model can take: features, and targets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from include.contract.model import Features, Model
from include.exceptions import BadData
from include.modelling import features
from tests.wrong_inputs.table import MARK, NUMBER, rows

MODEL = Model(target="late", time="at", features=Features(numerical=["a"], categorical=["b"]))
GOOD: dict[str, Any] = {"a": [1.5, NUMBER], "b": ["x", MARK], "late": [0, 1]}


def column(name: str, values: Any) -> Callable[[Path], object]:
    return lambda _: features.matrix(pd.DataFrame({**GOOD, name: pd.Series(values)}), MODEL)


def labels(values: Any, size: int = 2) -> Callable[[Path], object]:
    return lambda _: features.target(pd.DataFrame({"late": pd.Series(values)}), MODEL)


def empty(name: str) -> Callable[[Path], object]:
    def give(_: Path) -> None:
        frame = pd.DataFrame({**GOOD, name: [None, None]})
        features.require_values(features.matrix(frame, MODEL), MODEL)

    return give


def without(*names: str) -> Callable[[Path], object]:
    return lambda _: features.matrix(pd.DataFrame(GOOD).drop(columns=list(names)), MODEL)


def twice(_: Path) -> object:
    frame = pd.DataFrame(GOOD)
    return features.matrix(pd.concat([frame, frame[["a"]]], axis=1), MODEL)


MIXED = ["x", MARK]
NOT_NUMERIC = "column 'a' is not numeric: "
INFINITE = "column 'a' is infinite in 1 of 2 rows; let the source return null"
NESTED = "column 'b' holds lists or structures in 1 of 2 rows; a feature is one value"
OTHER = "target 'late' holds values other than 0 and 1 in "

WRONG = [
    *rows(
        "feature",
        ("text", column("a", MIXED), BadData, f"{NOT_NUMERIC}2 of 2 values"),
        ("some text", column("a", [NUMBER, MARK]), BadData, f"{NOT_NUMERIC}1 of 2 values"),
        ("text in Arrow", column("a", pd.array(MIXED, dtype="string")), BadData, f"{NOT_NUMERIC}2 of 2"),
        ("text as category", column("a", pd.Categorical(MIXED)), BadData, f"{NOT_NUMERIC}2 of 2"),
        ("an empty text", column("a", [1.0, ""]), BadData, f"{NOT_NUMERIC}1 of 2"),
        ("decimal commas", column("a", ["7351,0625", "1,5"]), BadData, f"{NOT_NUMERIC}2 of 2"),
        ("a unit", column("a", [f"{NUMBER} km", 2.0]), BadData, f"{NOT_NUMERIC}1 of 2"),
        ("lists", column("a", [[NUMBER], [1.0]]), BadData, f"{NOT_NUMERIC}2 of 2"),
        ("arrays", column("a", [np.array([NUMBER, 1]), 2.0]), BadData, f"{NOT_NUMERIC}1 of 2"),
        ("structures", column("a", [{"x": NUMBER}, 2.0]), BadData, f"{NOT_NUMERIC}1 of 2"),
        ("times", column("a", pd.to_datetime(["2024-01-01", "2024-01-02"])), BadData, NOT_NUMERIC),
        ("durations", column("a", [timedelta(days=1), timedelta(days=2)]), BadData, NOT_NUMERIC),
        ("zoned times", column("a", pd.to_datetime(["2024-01-01"] * 2, utc=True)), BadData, NOT_NUMERIC),
        ("complex numbers", column("a", [1j * NUMBER, 2.0]), BadData, NOT_NUMERIC),
        ("infinity", column("a", [np.inf, NUMBER]), BadData, INFINITE),
        ("minus infinity", column("a", [NUMBER, -np.inf]), BadData, INFINITE),
        ("infinity as text", column("a", ["inf", 1.0]), BadData, INFINITE),
        ("an infinite decimal", column("a", [Decimal("Infinity"), Decimal(1)]), BadData, INFINITE),
        ("too large a number", column("a", [Decimal("1e400"), Decimal(1)]), BadData, INFINITE),
        (
            "too large an integer",
            column("a", pd.Series([10**400, None], dtype="object")),
            BadData,
            f"{NOT_NUMERIC}1 of 2",
        ),
        ("numerical absent", without("a"), BadData, "column(s) a are missing; the model needs them"),
        ("categorical absent", without("b"), BadData, "column(s) b are missing; the model needs them"),
        ("both absent", without("a", "b"), BadData, "column(s) a, b are missing; the model needs them"),
        ("numerical empty", empty("a"), BadData, "column(s) a are null in all 2 rows of the window"),
        ("categorical empty", empty("b"), BadData, "column(s) b are null in all 2 rows of the window"),
        ("twice", twice, BadData, "column(s) a occur more than once"),
        ("category of lists", column("b", [[MARK], "x"]), BadData, NESTED),
        ("category of structures", column("b", [{"x": MARK}, "x"]), BadData, NESTED),
        ("category of arrays", column("b", [np.array([MARK]), "x"]), BadData, NESTED),
        ("category of tuples", column("b", [(MARK,), "x"]), BadData, NESTED),
    ),
    *rows(
        "target",
        ("text", labels(["yes", MARK]), BadData, f"{OTHER}2 of 2 rows (object, 2 different"),
        ("some text", labels([1, MARK]), BadData, f"{OTHER}1 of 2 rows"),
        ("text of truth values", labels(["true", "false"]), BadData, f"{OTHER}2 of 2 rows"),
        ("classes", labels([0, 1, 2, 3]), BadData, f"{OTHER}2 of 4 rows (int64, 4 different"),
        ("many classes", labels(range(1000)), BadData, f"{OTHER}998 of 1000 rows (int64, 1000 different"),
        ("minus one", labels([-1, 1]), BadData, f"{OTHER}1 of 2 rows"),
        ("a probability", labels([0.5, 1]), BadData, f"{OTHER}1 of 2 rows"),
        ("an amount", labels([NUMBER, 1]), BadData, f"{OTHER}1 of 2 rows"),
        ("infinity", labels([np.inf, 1]), BadData, f"{OTHER}1 of 2 rows"),
        ("lists", labels([[1], [0]]), BadData, f"{OTHER}2 of 2 rows"),
        ("structures", labels([{"x": MARK}, {"x": 1}]), BadData, f"{OTHER}2 of 2 rows"),
        ("times", labels(pd.to_datetime(["2024-01-01"] * 2)), BadData, f"{OTHER}2 of 2 rows"),
        ("bytes", labels([b"\x01", b"\x00"]), BadData, f"{OTHER}2 of 2 rows"),
        ("an empty text", labels(["", 1]), BadData, f"{OTHER}1 of 2 rows"),
        ("nulls", labels([None, 1]), BadData, "target 'late' is null in 1 of 2 rows"),
    ),
]
