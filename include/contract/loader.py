"""Load the pipelines of a folder, and check them against their contract.

All faults of a pipeline are reported together, with the file, the path of the key, the value and what is
allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from include.contract.checks import check
from include.contract.faults import to_fault
from include.contract.pipeline import Pipeline
from include.exceptions import Fault, Misconfigured, PipelineInvalid
from include.yaml_text import load_yaml

CONTRACT = "pipeline.yaml"


def names(folder: Path) -> list[str]:
    """Return the names of the pipelines in a folder: its subfolders with a contract."""
    return sorted(file.parent.name for file in folder.glob(f"*/{CONTRACT}"))


def load(folder: Path) -> Pipeline:
    """Return one pipeline; raises PipelineInvalid with every fault, Misconfigured if there is no contract."""
    file = folder / CONTRACT
    if not file.is_file():
        known = ", ".join(names(folder.parent)) or "none"
        raise Misconfigured(f"there is no pipeline {folder.name!r} in {folder.parent}; there is: {known}")
    raw = _yaml(file)
    faults: list[Fault] = []
    pipeline: Pipeline | None = None
    try:
        pipeline = Pipeline.model_validate(raw)
    except ValidationError as error:
        faults += [to_fault(detail) for detail in error.errors(include_url=False)]
    faults += check(raw, folder)
    if pipeline is None or faults:
        raise PipelineInvalid(str(file), sorted(set(faults)))
    return pipeline


def read(folder: Path) -> Pipeline | PipelineInvalid:
    """Return one pipeline, or the error with its faults."""
    try:
        return load(folder)
    except PipelineInvalid as error:
        return error


def read_all(folder: Path) -> Iterator[Pipeline | PipelineInvalid]:
    """Yield every pipeline of a folder, or the error with its faults.

    A table belongs to one pipeline: it stays with the first by name, and is a fault of every other.
    """
    owners: dict[tuple[str, str, str], str] = {}
    for name in names(folder):
        result = read(folder / name)
        if isinstance(result, Pipeline):
            owned = [(table, owners.setdefault(table, name)) for table in result.tables]
            faults = [_owned_by_other(*table, owner) for table, owner in owned if owner != name]
            result = PipelineInvalid(str(folder / name / CONTRACT), faults) if faults else result
        yield result


def valid(folder: Path) -> Iterator[Pipeline]:
    """Yield the valid pipelines of a folder."""
    return (result for result in read_all(folder) if isinstance(result, Pipeline))


def raise_faults(folder: Path) -> None:
    """Raise one Misconfigured with the faults of every invalid pipeline, if there are any."""
    errors = [str(result) for result in read_all(folder) if isinstance(result, PipelineInvalid)]
    if errors:
        raise Misconfigured("\n\n".join(errors))


def _yaml(file: Path) -> dict[str, Any]:
    try:
        raw = load_yaml(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where else "file"
        problem = getattr(error, "problem", None) or str(error)
        raise PipelineInvalid(str(file), [Fault(line, f"not readable as YAML: {problem}")]) from error
    if not isinstance(raw, dict):
        raise PipelineInvalid(str(file), [Fault("file", f"is {type(raw).__name__}; write keys and values")])
    return raw


def _owned_by_other(repository: str, branch: str, table: str, owner: str) -> Fault:
    return Fault(
        "lake.table",
        f"{table!r} on {branch!r} of {repository!r} belongs to pipeline {owner!r}, and a table has one "
        "pipeline; change lake.table or lake.repository",
    )
