"""The files that hold the project's version, in a folder of a test's own."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from include.settings import ROOT


def tool() -> Any:
    """`.ci/version.py` as a module."""
    about = importlib.util.spec_from_file_location("version", ROOT / ".ci/version.py")
    assert about
    assert about.loader
    module = importlib.util.module_from_spec(about)
    about.loader.exec_module(module)
    return module


def copy(file: Path, folder: Path) -> None:
    """One of the project's files, in the same place below another folder."""
    target = folder / file.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def copy_versions(folder: Path) -> None:
    """Every file that `.ci/version.py` knows, and itself."""
    copy(ROOT / ".ci/version.py", folder)
    for pattern, _ in tool().PLACES:
        for file in ROOT.glob(pattern):
            copy(file, folder)
