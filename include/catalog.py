"""The pipelines of a folder: found, read, and checked against their contract.

All faults of a pipeline are reported together, with the file, the key's path, the value, what is allowed.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from include.exceptions import Fault, Misconfigured, PipelineInvalid
from include.settings import ROOT
from include.spec import PREDICTION, Pipeline

CONTRACT = "pipeline.yaml"
MODEL = "model.py"
_METRIC_NAME = re.compile(r"[\w.\-/ ]+")
SCHEMA = ROOT / "include/pipelines/pipeline.schema.json"


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
        faults += [_fault(found) for found in error.errors(include_url=False)]
    faults += _across(raw, folder)
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


def module(folder: Path, file: str) -> ModuleType:
    """A module of a pipeline, such as its model.py, imported from its file once a process.

    Raises Misconfigured if the file is missing or fails to import.
    """
    path = folder / file
    name = f"include.pipelines.{folder.name}.{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None or not path.is_file():
        raise Misconfigured(f"{path} is missing; see docs/pipelines.md for what it has to define")
    made = importlib.util.module_from_spec(found)
    sys.modules[name] = made  # pickled functions of a model are looked up by this name
    try:
        found.loader.exec_module(made)
    except Exception as error:
        del sys.modules[name]
        raise Misconfigured(f"{path} fails to import: {type(error).__name__}: {error}") from error
    return made


def function(folder: Path, file: str, name: str) -> Callable[..., Any]:
    """A function of a pipeline's module; raises Misconfigured if it is not there."""
    found = getattr(module(folder, file), name, None)
    if not callable(found):
        raise Misconfigured(f"{folder / file} defines no function {name!r}; see docs/pipelines.md")
    return found  # type: ignore[no-any-return]


def write_schema() -> None:
    """Generate the JSON Schema that editors complete a pipeline.yaml with."""
    SCHEMA.write_text(schema())


def schema() -> str:
    """The JSON Schema of pipeline.yaml."""
    return json.dumps(Pipeline.model_json_schema(), indent=2) + "\n"


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


def _fault(error: ErrorDetails) -> Fault:
    path = _path(error["loc"])
    if error["type"] == "extra_forbidden":
        return Fault(path, _unknown_key(error["loc"]))
    if error["type"] == "missing":
        return Fault(path, "is missing")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error" or isinstance(error["input"], dict):
        return Fault(path, message)
    return Fault(path, f"{error['input']!r}: {message[:1].lower()}{message[1:]}")


def _taken(repository: str, branch: str, table: str, owner: str) -> Fault:
    return Fault(
        "lake.table",
        f"{table!r} on {branch!r} of {repository!r} belongs to pipeline {owner!r}, and a table has one "
        "pipeline; change lake.table or lake.repository",
    )


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "file"


def _unknown_key(location: tuple[int | str, ...]) -> str:
    section: Any = Pipeline
    for part in location[:-1]:
        fields = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
        section = _model_in(fields[part].annotation) if part in fields else None
    allowed = sorted(section.model_fields) if section else []
    close = get_close_matches(str(location[-1]), allowed, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"is no known key; {hint}allowed: {', '.join(allowed)}"


def _model_in(annotation: Any) -> Any:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((kind for kind in options if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _across(raw: dict[str, Any], folder: Path) -> list[Fault]:
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


if __name__ == "__main__":
    write_schema()
