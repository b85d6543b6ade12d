"""Checks between sections and files of one pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from include.contract.code import MODEL
from include.contract.model import PREDICTION
from include.exceptions import Fault
from include.excerpt import quote

_METRIC_NAME = re.compile(r"[\w.\-/ ]+")
_SUITE = "expectations.yaml"


def check(raw: Mapping[str, Any], folder: Path) -> list[Fault]:
    """Return the faults between sections and files of a contract.

    They are found in the raw keys, so that a fault elsewhere, which keeps the models from being built, hides
    none of these.
    """
    return [*_name(raw, folder), *_files(raw, folder), *_features(raw), *_dropped(raw)]


def _at(raw: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where any part of it is missing."""
    value: Any = raw
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _name(raw: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    name = _at(raw, "name")
    if isinstance(name, str) and name != folder.name:
        yield Fault("name", f"{quote(name)} differs from its folder {folder.name!r}; make them equal")


def _files(raw: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    suite = _at(raw, "validation.suite")
    for path, file in (("validation.suite", _SUITE if suite is None else suite), ("model", MODEL)):
        if isinstance(file, str) and not (folder / file).is_file():
            yield Fault(path, f"{folder / file} does not exist; write it")


def _features(raw: Mapping[str, Any]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for kind in ("numerical", "categorical"):
        columns = _at(raw, f"model.features.{kind}")
        for number, column in enumerate(columns if isinstance(columns, list) else []):
            if isinstance(column, str):  # else the models report it
                yield from _feature(raw, f"model.features.{kind}[{number}]", column, seen)
    if isinstance(_at(raw, "model.features"), dict) and not seen:
        yield Fault("model.features", "names no column; a model needs at least one")


def _feature(raw: Mapping[str, Any], path: str, column: str, seen: dict[str, str]) -> Iterator[Fault]:
    roles = (
        (_at(raw, "model.target"), "is the target; a feature equal to it would leak the answer"),
        (_at(raw, "model.time"), "is the time column; derive features such as hour or weekday"),
        (PREDICTION, "is the name of the model's predictions; rename the column"),
    )
    yield from (Fault(path, f"{quote(column)} {role}") for name, role in roles if name == column)
    if not _METRIC_NAME.fullmatch(column):
        yield Fault(
            path,
            f"{quote(column)} is not a valid name in MLflow; use letters, digits, '_', '-', '.', ' ' and '/'",
        )
    if column in seen:
        yield Fault(path, f"{quote(column)} is listed already, at {seen[column]}")
    if column in _dropped_columns(raw):
        yield Fault(path, f"{quote(column)} is dropped by privacy.drop")
    seen.setdefault(column, path)


def _dropped(raw: Mapping[str, Any]) -> Iterator[Fault]:
    for path in ("model.target", "model.time", "source.partition_by"):
        if (column := _at(raw, path)) is not None and column in _dropped_columns(raw):
            yield Fault(path, f"{quote(column)} is dropped by privacy.drop")


def _dropped_columns(raw: Mapping[str, Any]) -> list[Any]:
    dropped = _at(raw, "privacy.drop")
    return dropped if isinstance(dropped, list) else []
