"""How `millrace` finds the package `include`: Airflow does not put the project's folder on Python's path."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.settings import ROOT


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """The folder plugins/, copied to a place without the rest of the project."""
    return Path(shutil.copytree(ROOT / "plugins", tmp_path / "copied/plugins"))


def run(code: str, *path: Path) -> str:
    """What the code prints, or the last line of its error."""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(map(str, path))},
        cwd=path[0],
        capture_output=True,
        text=True,
        check=False,
    )
    return (ended.stdout or ended.stderr).splitlines()[-1]


def test_the_folder_of_plugins_is_enough() -> None:
    code = "import millrace, include; print(include.__file__)"
    assert run(code, ROOT / "plugins") == str(ROOT / "include/__init__.py")


def test_a_library_on_pythons_path_counts_first(plugins: Path) -> None:
    code = "import millrace, include; print(include.__file__)"
    assert run(code, plugins, ROOT) == str(ROOT / "include/__init__.py")


def test_a_project_copied_in_part_is_named_with_the_remedy(plugins: Path) -> None:
    said = run("import millrace", plugins)
    assert f"Millrace's package 'include' is not in {plugins.parent}" in said
    assert "set PYTHONPATH to the folder that holds `include`" in said


@pytest.mark.parametrize("file", ["include/__init__.py", "include/sql/theirs.sql"])
def test_a_package_of_others_with_that_name_is_named(file: str, plugins: Path, tmp_path: Path) -> None:
    other = tmp_path / "theirs" / file
    other.parent.mkdir(parents=True)
    other.touch()
    said = run("import millrace", ROOT / "plugins", tmp_path / "theirs")
    assert f"Python finds another one of that name first, in [{str(tmp_path / 'theirs/include')!r}]" in said
