"""Checks of the section `labels` against the other sections and files of its pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from include.contract.raw import at, declaration, declarations, texts
from include.contract.reserved import COLUMNS
from include.exceptions import Fault
from include.excerpt import quote

_NUMBERS = ("boolean", "decimal", "float", "integer")
_MOMENTS = ("date", "string", "timestamp", "timestamptz")


def check_labels(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of the section; a schedule without one is a fault, too."""
    if at(raw, "labels") is None:
        if isinstance(cron := at(raw, "schedule.labels"), str):
            yield Fault(
                "schedule.labels",
                f"{quote(cron)} is the schedule of labels that have a source of their own, and there is no "
                "section labels; write the section, or remove the key",
            )
        return
    yield from _target(raw)
    yield from _keys(raw)
    yield from _columns(raw)
    yield from _partition(raw)
    yield from _hashed(raw)
    yield from _reserved(raw)


def _target(raw: Mapping[str, Any]) -> Iterator[Fault]:
    target, keys = at(raw, "model.target"), at(raw, "labels.keys")
    if isinstance(target, str) and target in declarations(raw, "columns"):
        yield Fault(
            f"columns.{target}",
            f"{quote(target)} is the target, which the labels bring, and not the rows; declare it "
            "under labels.columns",
        )
    for name in sorted(texts([target, at(raw, "labels.target")]) & texts([keys])):
        yield Fault("labels.keys", f"{quote(name)} is the target; name columns that rows and labels share")


def _keys(raw: Mapping[str, Any]) -> Iterator[Fault]:
    ours, theirs = declarations(raw, "columns"), declarations(raw, "labels.columns")
    for name in sorted(texts([at(raw, "labels.keys")])):
        if name in texts([at(raw, "privacy.drop")]):
            yield Fault(
                "labels.keys", f"{quote(name)} is dropped by privacy.drop; name another column, or keep it"
            )
        for path, columns in (("columns", ours), ("labels.columns", theirs)):
            if declaration(columns.get(name)).get("since") is not None:
                yield Fault(f"{path}.{name}.since", "is for features; every row needs this column")
        kinds = [declaration(columns.get(name)).get("type") for columns in (ours, theirs)]
        if all(isinstance(kind, str) for kind in kinds) and kinds[0] != kinds[1]:
            yield Fault(
                f"labels.columns.{name}",
                f"is {quote(kinds[1])}, and columns.{name} is {quote(kinds[0])}; a key has one type in rows "
                "and labels: declare it once, under columns",
            )


def _columns(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of declared columns that their uses do not allow."""
    target = at(raw, "labels.target") or at(raw, "model.target")
    uses = ((target, _NUMBERS), (at(raw, "labels.source.partition_by"), _MOMENTS))
    declared = declarations(raw, "labels.columns")
    for name, allowed in uses:
        if not isinstance(name, str) or name not in declared:
            continue
        one = declaration(declared[name])
        kind = str(one.get("type"))
        if kind.partition("(")[0] not in allowed:
            yield Fault(f"labels.columns.{name}", f"is {quote(kind)}; it has to be {', '.join(allowed)}")
        if one.get("since") is not None:
            yield Fault(f"labels.columns.{name}.since", "every label needs this column; remove it")


def _partition(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the fault of a time column that never reaches the lake."""
    column = at(raw, "labels.source.partition_by")
    if isinstance(column, str) and column == at(raw, "model.target"):
        yield Fault("labels.source.partition_by", f"{quote(column)} is the target; name the time of a label")


def _hashed(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of columns whose values the labels are for."""
    for path in ("labels.target", "labels.source.partition_by"):
        if texts([column := at(raw, path)]) & texts([at(raw, "privacy.hash")]):
            yield Fault(path, f"{quote(column)} is hashed by privacy.hash, and its values are needed here")


def _reserved(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each name that is dropped, or that Millrace uses itself; keys are checked as rows."""
    dropped = texts([at(raw, "privacy.drop")])
    for name in (name for name in declarations(raw, "labels.columns") if name in dropped):
        yield Fault(
            f"labels.columns.{name}", f"{quote(name)} is dropped by privacy.drop; name another column"
        )
    named = [(path, at(raw, path)) for path in ("labels.target", "labels.source.partition_by")]
    named += [(f"labels.columns.{name}", name) for name in declarations(raw, "labels.columns")]
    for path, column in named:
        if isinstance(column, str) and (reason := COLUMNS.get(column)):
            yield Fault(path, f"{quote(column)} {reason}")
