"""Checks between sections and files of one pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from include.contract.code import MODEL
from include.contract.model import PREDICTION
from include.exceptions import Fault

_METRIC_NAME = re.compile(r"[\w.\-/ ]+")


def across(raw: dict[str, Any], folder: Path) -> list[Fault]:
    """Faults between sections and files; read from the raw keys, so that faults elsewhere hide none."""

    def at(*keys: str, default: Any = None) -> Any:
        found: Any = raw
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return default if found is None else found

    faults = []
    if isinstance(at("name"), str) and at("name") != folder.name:
        faults.append(
            Fault("name", f"{at('name')!r} differs from its folder {folder.name!r}; make them equal")
        )
    suite = at("validation", "suite", default="expectations.yaml")
    for path, file in (("validation.suite", suite), ("model", MODEL)):
        if isinstance(file, str) and not (folder / file).is_file():
            faults.append(Fault(path, f"{folder / file} does not exist; write it"))
    seen: dict[str, str] = {}
    for kind in ("numerical", "categorical"):
        columns = at("model", "features", kind, default=[])
        for number, column in enumerate(columns if isinstance(columns, list) else []):
            if not isinstance(column, str):
                continue  # a fault that the contract's types tell
            faults += _feature(f"model.features.{kind}[{number}]", column, at, seen)
    if isinstance(at("model", "features"), dict) and not seen:
        faults.append(Fault("model.features", "names no column; a model needs at least one"))
    dropped = at("privacy", "drop", default=[])
    for keys in (("model", "target"), ("model", "time"), ("source", "partition_by")):
        if at(*keys) is not None and isinstance(dropped, list) and at(*keys) in dropped:
            faults.append(Fault(".".join(keys), f"{at(*keys)!r} is dropped by privacy.drop"))
    return faults


def _feature(path: str, column: str, at: Callable[..., Any], seen: dict[str, str]) -> list[Fault]:
    faults = []
    if column == at("model", "target"):
        faults.append(Fault(path, f"{column!r} is the target; a feature equal to it would leak the answer"))
    if column == at("model", "time"):
        faults.append(Fault(path, f"{column!r} is the time column; derive features such as hour or weekday"))
    if column == PREDICTION:
        faults.append(Fault(path, f"{column!r} is the name of the model's answer; rename the column"))
    if not _METRIC_NAME.fullmatch(column):
        faults.append(
            Fault(path, f"{column!r} is no name for MLflow; use letters, digits, '_', '-', '.', ' ' and '/'")
        )
    if column in seen:
        faults.append(Fault(path, f"{column!r} is listed already, at {seen[column]}"))
    dropped = at("privacy", "drop", default=[])
    if isinstance(dropped, list) and column in dropped:
        faults.append(Fault(path, f"{column!r} is dropped by privacy.drop"))
    seen.setdefault(column, path)
    return faults
