"""The pipelines of a folder: found, read, and checked against their contract.

All faults of a pipeline are reported together, with the file, the key's path, the value, what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from include.contract.checks import across
from include.contract.faults import to_fault
from include.contract.pipeline import Pipeline
from include.exceptions import Fault, Misconfigured, PipelineInvalid

CONTRACT = "pipeline.yaml"


def names(folder: Path) -> list[str]:
    """The names of the pipelines in a folder: its subfolders that hold a contract."""
    return sorted(file.parent.name for file in folder.glob(f"*/{CONTRACT}"))


def load(folder: Path) -> Pipeline:
    """Read one pipeline; raises PipelineInvalid with every fault, Misconfigured if there is none."""
    file = folder / CONTRACT
    if not file.is_file():
        known = ", ".join(names(folder.parent)) or "none"
        raise Misconfigured(f"there is no pipeline {folder.name!r} in {folder.parent}; there is: {known}")
    raw = _yaml(file)
    faults: list[Fault] = []
    spec: Pipeline | None = None
    try:
        spec = Pipeline.model_validate(raw)
    except ValidationError as error:
        faults += [to_fault(found) for found in error.errors(include_url=False)]
    faults += across(raw, folder)
    if spec is None or faults:
        raise PipelineInvalid(str(file), sorted(set(faults)))
    return spec


def read(folder: Path) -> Pipeline | PipelineInvalid:
    """Read one pipeline, or say what is wrong with it."""
    try:
        return load(folder)
    except PipelineInvalid as error:
        return error


def read_all(folder: Path) -> Iterator[Pipeline | PipelineInvalid]:
    """Every pipeline of a folder, or what is wrong with it.

    A table belongs to one pipeline: it stays with the first by name, and is a fault of every other.
    """
    owners: dict[tuple[str, str, str], str] = {}
    for name in names(folder):
        found = read(folder / name)
        if isinstance(found, Pipeline):
            taken = [(table, owners.setdefault(table, name)) for table in found.tables]
            faults = [_taken(*table, owner) for table, owner in taken if owner != name]
            found = PipelineInvalid(str(folder / name / CONTRACT), faults) if faults else found
        yield found


def valid(folder: Path) -> Iterator[Pipeline]:
    """The pipelines of a folder that keep their contract."""
    return (found for found in read_all(folder) if isinstance(found, Pipeline))


def raise_faults(folder: Path) -> None:
    """Raise one Misconfigured with the faults of every broken pipeline; nothing if there are none."""
    broken = [str(found) for found in read_all(folder) if isinstance(found, PipelineInvalid)]
    if broken:
        raise Misconfigured("\n\n".join(broken))


def _yaml(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where else "file"
        problem = getattr(error, "problem", None) or str(error)
        raise PipelineInvalid(str(file), [Fault(line, f"no readable YAML: {problem}")]) from error
    if not isinstance(raw, dict):
        raise PipelineInvalid(str(file), [Fault("file", f"is {type(raw).__name__}; write keys and values")])
    return raw


def _taken(repository: str, branch: str, table: str, owner: str) -> Fault:
    return Fault(
        "lake.table",
        f"{table!r} on {branch!r} of {repository!r} belongs to pipeline {owner!r}, and a table has one "
        "pipeline; change lake.table or lake.repository",
    )
