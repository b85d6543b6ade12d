"""Checks between sections and files of one pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from include.contract.code import MODEL
from include.contract.columns import decimal_of
from include.contract.day_path import names_day
from include.contract.export_folders import own_faults
from include.contract.exports import DAY, DAY_TAKEN, unfit_names
from include.contract.feed import Feed
from include.contract.label_checks import check_labels
from include.contract.raw import at, declaration, declarations, texts
from include.contract.reserved import COLUMNS, PARAMS, predictions_table
from include.contract.text import MIN_REPOSITORY, MLFLOW_NAMES, as_name, is_mlflow_name
from include.exceptions import Fault
from include.excerpt import LIMIT, nearest, quote
from include.yaml_text import load_yaml

_SUITE = "expectations.yaml"
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")
"""Arguments of expectations that name columns."""
_DROPPED = "is dropped by privacy.drop; name another column, or keep it"
_OTHER_COLUMN = "name another column, such as a coarser one that the source derives"
_SINGLE = ("model.target", "model.time", "source.partition_by")
_FEATURES = ("model.features.numerical", "model.features.categorical")
_GROUPS = ("gate.slices.column", "monitoring.fairness.column")
_FILE_COLUMNS = ("source.csv.columns", "source.excel.columns")
_NUMBERS = frozenset({"boolean", "integer", "float", "decimal"})
_MOMENTS = frozenset({"date", "timestamp", "timestamptz", "string"})
_ALLOWED_TYPES = {
    "model.features.numerical": _NUMBERS,
    "model.target": _NUMBERS,
    "model.time": _MOMENTS,
    "source.partition_by": _MOMENTS,
}
"""Types of `columns` that a use allows; text is one of a time if it is written as ISO 8601."""


def check(raw: Mapping[str, Any], folder: Path) -> list[Fault]:
    """Return the faults between sections and files of a contract.

    They are found in the raw keys, so that a fault elsewhere, which keeps the models from being built, hides
    none of these.
    """
    return [
        *_name(raw, folder),
        *_repository(raw),
        *_own_table(raw),
        *_files(raw, folder),
        *_reserved(raw),
        *_target(raw),
        *_features(raw),
        *_dropped(raw),
        *_hashed(raw),
        *_uses_of_hashes(raw),
        *_groups(raw, folder),
        *_declared(raw),
        *_named_in_files(raw),
        *check_labels(raw),
        *_export(raw, folder),
    ]


def named_columns(feed: Feed, folder: Path) -> frozenset[str]:
    """Return the columns that a contract or a feed's suite names."""
    return feed.named | _columns_of(folder / feed.suite) if feed.suite else feed.named


def _name(raw: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    name = at(raw, "name")
    if isinstance(name, str) and name != folder.name:
        near = as_name(folder.name)
        yield Fault(
            "name", f"{quote(name)} differs from its folder {quote(folder.name)}; make them equal{near}"
        )


def _repository(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault if the repository is left out, and the pipeline's name is too short for one."""
    lake, name = at(raw, "lake"), at(raw, "name")
    is_left_out = isinstance(lake, dict) and "repository" not in lake
    if is_left_out and isinstance(name, str) and len(name) < MIN_REPOSITORY:
        yield Fault(
            "lake.repository",
            f"is left out, and {quote(name)} is too short for a repository; name one of {MIN_REPOSITORY} to "
            "63 lower-case letters, digits and '-'",
        )


def _own_table(raw: Mapping[str, Any]) -> Iterator[Fault]:
    table, name = at(raw, "lake.table"), at(raw, "name")
    if isinstance(name, str) and table == predictions_table(name):
        yield Fault(
            "lake.table", f"{quote(table)} is the table of the pipeline's predictions; name another one"
        )


def _files(raw: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    suite = at(raw, "validation.suite")
    files = (
        ("validation.suite", _SUITE if suite is None else suite),
        ("labels.suite", at(raw, "labels.suite")),
        ("model", MODEL),
    )
    for path, file in files:
        if isinstance(file, str) and not _is_file(folder / file):
            yield Fault(path, f"{folder}/{_shown(file)} does not exist; write it")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds NUL
        return False


def _shown(file: str) -> str:
    return file if len(file) <= LIMIT and file.isprintable() else quote(file)


def _reserved(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each name that Millrace uses itself; a column that is dropped may have any."""
    for path, column in _named_columns(raw):
        if reason := COLUMNS.get(column):
            yield Fault(path, f"{quote(column)} {reason}")
    params = at(raw, "model.params")
    for name in params if isinstance(params, dict) else ():
        if reason := PARAMS.get(name):
            yield Fault(f"model.params.{name}", f"{quote(name)} {reason}")


def _target(raw: Mapping[str, Any]) -> Iterator[Fault]:
    target = at(raw, "model.target")
    if isinstance(target, str) and target == at(raw, "model.time"):
        yield Fault("model.target", f"{quote(target)} is the time column; name the column to predict")
    if isinstance(target, str) and not is_mlflow_name(target):  # its drift is a metric, as that of a feature
        yield Fault("model.target", f"{quote(target)} is not a valid name in MLflow; use {MLFLOW_NAMES}")


def _features(raw: Mapping[str, Any]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for path, column in _named_columns(raw):
        if path.startswith("model.features"):
            yield from _feature(raw, path, column, seen)
    if isinstance(at(raw, "model.features"), dict) and not seen:
        yield Fault("model.features", "names no column; a model needs at least one")


def _feature(raw: Mapping[str, Any], path: str, column: str, seen: dict[str, str]) -> Iterator[Fault]:
    roles = (
        (at(raw, "model.target"), "is the target; a feature equal to it would leak the answer"),
        (at(raw, "model.time"), "is the time column; derive features such as hour or weekday"),
    )
    shown = quote(column)
    yield from (Fault(path, f"{shown} {role}") for name, role in roles if name == column)
    if not is_mlflow_name(column):
        yield Fault(path, f"{shown} is not a valid name in MLflow; use {MLFLOW_NAMES}")
    if column in seen:
        yield Fault(path, f"{shown} is listed already, at {seen[column]}")
    if column in _dropped_columns(raw):
        yield Fault(path, f"{shown} {_DROPPED}")
    seen.setdefault(column, path)


def _dropped(raw: Mapping[str, Any]) -> Iterator[Fault]:
    brought = {"model.target"} if at(raw, "labels") is not None else set()
    for path in (*(path for path in _SINGLE if path not in brought), "labels.source.partition_by"):
        if (column := at(raw, path)) is not None and column in _dropped_columns(raw):
            yield Fault(path, f"{quote(column)} {_DROPPED}")


def _hashed(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of columns to hash: what is hashed has to be the same text in every file and table."""
    declared = {**declarations(raw, "labels.columns"), **declarations(raw, "columns")}
    columns = _hashed_columns(raw)
    for number, column in enumerate(columns):
        path, shown = f"privacy.hash[{number}]", quote(column)
        if not isinstance(column, str):  # reported by the models
            continue
        one = declaration(declared.get(column))
        if column in columns[:number]:
            yield Fault(path, f"{shown} is listed already, at privacy.hash[{columns.index(column)}]")
        elif (one.get("from") or column) in _dropped_columns(raw):
            yield Fault(path, f"{shown} is dropped by privacy.drop, too; take it out of one of the two")
        elif column not in declared:
            yield Fault(path, f"{shown} is not declared; {_declare(column, declared)}")
        elif not _is_hashable(str(one.get("type"))):
            yield Fault(
                path,
                f"{shown} is {quote(str(one.get('type')))} by columns.{column}, which is not written in one "
                "way everywhere, or has few values; hash string, integer, decimal(digits, 0) or date, or "
                "leave the column out by privacy.drop",
            )


def _declare(column: str, declared: Mapping[Any, Any]) -> str:
    """Return how a column is declared; the columns to hash have the names of the table."""
    for name, one in declared.items():
        if declaration(one).get("from") == column:
            return f"write {quote(name)}, which is made of it"
    return f"write its type under columns, such as '{column}: string', as the hash follows from it"


def _is_hashable(kind: str) -> bool:
    digits = decimal_of(kind)
    return kind in ("string", "integer", "date") or (digits is not None and digits[1] == 0)


def _uses_of_hashes(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each use of a hashed column that needs its values, or would show the hashes."""
    hashed = [column for column in _hashed_columns(raw) if isinstance(column, str)]
    for path, column in _named_columns(raw):
        if column in hashed and not path.startswith(("columns.", "labels.columns.", "labels.keys")):
            reason = (
                "its values are needed here"
                if path in _SINGLE
                else "values of features and groups stand in models and reports"
            )
            yield Fault(path, f"{quote(column)} is hashed by privacy.hash, and {reason}; {_OTHER_COLUMN}")


def _groups(raw: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    """Yield the faults of columns that rows are grouped by: they need not be features, but have to exist."""
    for path in _GROUPS:
        column = at(raw, path)
        if not isinstance(column, str) or column in COLUMNS:  # reported by the models, and by _reserved
            continue
        if column in _dropped_columns(raw):
            yield Fault(path, f"{quote(column)} {_DROPPED}")
        elif column not in (own := _columns(raw)) and column not in (rest := _suite_columns(raw, folder)):
            known = sorted(own | rest)
            yield Fault(
                path,
                f"{quote(column)} is not a known column; {nearest(column, known)}known are features, target, "
                "times and the columns of the suite: add it to the features, or expect it in "
                f"{_SUITE}, for instance by expect_column_to_exist",
            )


def _declared(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of declared columns that their uses do not allow."""
    declared = {name: declaration(one) for name, one in declarations(raw, "columns").items()}
    for path, column in _named_columns(raw):
        kind, allowed = str(declared.get(column, {}).get("type")), _ALLOWED_TYPES.get(path.partition("[")[0])
        if column in declared and allowed and kind.partition("(")[0] not in allowed:
            shown = ", ".join(sorted(allowed))
            yield Fault(path, f"{quote(column)} is {quote(kind)} by columns.{column}; it has to be {shown}")
    for name, one in declared.items():
        if (one.get("from") or name) in _dropped_columns(raw):
            yield Fault(f"columns.{name}", f"{quote(one.get('from') or name)} {_DROPPED}")
        if one.get("since") is not None and name in texts(at(raw, path) for path in _SINGLE):
            yield Fault(f"columns.{name}.since", "is for features; every row needs this column")


def _named_in_files(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault if the names of files without a header lack the time column."""
    column = at(raw, "source.partition_by")
    if not isinstance(column, str) or names_day(str(at(raw, "source.uri")), column):
        return
    wanted = declaration(declarations(raw, "columns").get(column)).get("from") or column
    for path in _FILE_COLUMNS:
        if isinstance(names := at(raw, path), list) and wanted not in names:
            yield Fault(path, f"lacks {quote(wanted)} (partition_by); name all columns of the file")


def _export(raw: Mapping[str, Any], folder: Path) -> Iterator[Fault]:
    """Yield the faults of the folder, and of the columns that a Delta Lake table cannot have."""
    if not isinstance(uri := at(raw, "exports.delta.uri"), str):
        return
    sources = {path: at(raw, path) for path in ("source.uri", "labels.source.uri")}
    yield from own_faults(uri, sources, folder)
    time, names = at(raw, "source.partition_by"), sorted(_columns(raw))
    yield from (
        Fault(_export_path(raw, name), f"{quote(name)} {fault}") for name, fault in unfit_names(names)
    )
    for name in names:
        kind = declaration(declarations(raw, "columns").get(name)).get("type", "date")
        if name.lower() == DAY and not (name == DAY == time and kind == "date"):
            yield Fault(_export_path(raw, name), f"{quote(name)} {DAY_TAKEN}")


def _export_path(raw: Mapping[str, Any], column: str) -> str:
    """Return the path of the first key that names a column."""
    return next((path for path, name in _named_columns(raw) if name == column), "exports.delta")


def _columns(raw: Mapping[str, Any]) -> set[str]:
    """Return the columns that the contract names as columns of the table."""
    return texts(at(raw, path) for path in (*_SINGLE, *_FEATURES)) | set(declarations(raw, "columns"))


def _named_columns(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every column that is read from the table, with the path of the key that names it."""
    for path in (*_SINGLE, *_GROUPS):
        if isinstance(column := at(raw, path), str):
            yield path, column
    for path in (*_FEATURES, "labels.keys"):
        columns = at(raw, path)
        for number, column in enumerate(columns if isinstance(columns, list) else []):
            if isinstance(column, str):
                yield f"{path}[{number}]", column
    for name in declarations(raw, "columns"):
        if isinstance(name, str):
            yield f"columns.{name}", name


def _suite_columns(raw: Mapping[str, Any], folder: Path) -> set[str]:
    """Return the columns that the suite's expectations of rows name; none while it cannot be read."""
    suite = at(raw, "validation.suite")
    return _columns_of(folder / (suite if isinstance(suite, str) else _SUITE))


def _columns_of(suite: Path) -> set[str]:
    try:
        found = load_yaml(suite.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # reported by the step that runs the suite
        return set()
    rows = at(found, "rows") if isinstance(found, dict) else None
    entries = [entry for entry in rows if isinstance(entry, dict)] if isinstance(rows, list) else []
    return texts(at(entry, f"kwargs.{name}") for entry in entries for name in _COLUMN_ARGUMENTS)


def _dropped_columns(raw: Mapping[str, Any]) -> list[Any]:
    dropped = at(raw, "privacy.drop")
    return dropped if isinstance(dropped, list) else []


def _hashed_columns(raw: Mapping[str, Any]) -> list[Any]:
    hashed = at(raw, "privacy.hash")
    return hashed if isinstance(hashed, list) else []
