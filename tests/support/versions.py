"""Copies of the files that contain the project's version."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from include.settings import ROOT


def tool() -> Any:
    """Return `.ci/version.py` as a module."""
    spec = importlib.util.spec_from_file_location("version", ROOT / ".ci/version.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy(file: Path, folder: Path) -> None:
    """Copy a file of the project to the same place below another folder."""
    target = folder / file.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def copy_versions(folder: Path) -> None:
    """Copy `.ci/version.py` and every file that it checks."""
    copy(ROOT / ".ci/version.py", folder)
    for pattern, _ in tool().PLACES:
        for file in ROOT.glob(pattern):
            copy(file, folder)
