"""What the embedded lake has of lakeFS's published API, as its contract tests show it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from include.settings import ROOT

CONTRACT = ROOT / "tests" / "embedded" / "lakefs" / "contract"


@cache
def covered() -> dict[str, list[str]]:
    """Operations that contract tests are marked with, and the names of these tests."""
    found: dict[str, list[str]] = {}
    for path in sorted(CONTRACT.glob("test_*.py")):
        for test, operation in _marks(_module(path)):
            found.setdefault(operation, []).append(f"{path.stem}::{test}")
    return found


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contract.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _marks(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, test in vars(module).items():
        for mark in getattr(test, "pytestmark", ()) if name.startswith("test_") else ():
            if mark.name == "endpoint":
                yield from ((name, operation) for operation in mark.args)
