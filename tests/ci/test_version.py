"""`.ci/version.py` finds, checks and writes every place that contains the project's version."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from include.settings import ROOT
from tests.support.versions import copy_versions

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OTHER = "98.76.54"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy_versions(tmp_path)
    return tmp_path


def version(folder: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, str(folder / ".ci/version.py"), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr


def lines(folder: Path, number: str) -> set[str]:
    """Return the places of the project's version: a release's tag, or a line with the project's name."""
    ours = re.compile(
        rf"millrace.*\b{re.escape(number)}\b|\bv{re.escape(number)}\b|^version = .{re.escape(number)}"
    )
    listed = [
        *(file for file in ROOT.glob("*") if not file.name.startswith(("requirements", ".env"))),
        *(
            file
            for name in ("dags", "docs", "include", "plugins", ".ci")
            for file in ROOT.glob(f"{name}/**/*")
        ),
    ]
    names = (str(file.relative_to(ROOT)) for file in listed if file.is_file() and file.suffix != ".pyc")
    return {
        f"{name}:{number}"
        for name in names
        if name != "CHANGELOG.md" and (folder / name).is_file()
        for number, line in enumerate((folder / name).read_text(errors="replace").splitlines(), 1)
        if ours.search(line)
    }


def test_this_checkout_is_of_one_version() -> None:
    assert version(ROOT, "check", VERSION) == (0, "")


def test_every_place_is_named_and_what_to_do(checkout: Path) -> None:
    status, output = version(checkout, "check", OTHER)
    assert status == 1
    first, *places, todo = output.splitlines()
    assert first == f"version: not all files have {OTHER}"
    assert todo == f"run `python3 .ci/version.py set {OTHER}`, commit that, and tag the commit"
    named = {place.removesuffix(f" has {VERSION}") for place in places}
    # No other file of the repository contains it.
    assert named >= lines(ROOT, VERSION)
    assert {name.partition(":")[0] for name in named} >= {
        "docker-compose.yaml",
        "docs/compose.md",
        "include/platform/kubernetes/airflow-values.yaml",
        "include/platform/kubernetes/argocd-application.yaml",
        "include/platform/kubernetes/base/lakefs-setup.yaml",
        "include/platform/kubernetes/base/mlflow.yaml",
        "plugins/millrace.dist-info/METADATA",
        "pyproject.toml",
    }


def test_a_new_version_is_written_everywhere_and_nothing_else_is(checkout: Path) -> None:
    assert version(checkout, "set", OTHER) == (0, "")
    assert version(checkout, "check", OTHER) == (0, "")
    assert lines(checkout, VERSION) == set()
    assert version(checkout, "set", VERSION) == (0, "")
    for file in checkout.rglob("*.*"):
        if file.is_file():
            assert file.read_bytes() == (ROOT / file.relative_to(checkout)).read_bytes()


def test_a_place_that_moved_away_is_missed(checkout: Path) -> None:
    file = checkout / "include/platform/kubernetes/airflow-values.yaml"
    file.write_text(file.read_text().replace("tracking_ref", "ref"))
    status, output = version(checkout, "check", VERSION)
    assert status == 1
    assert (
        "include/platform/kubernetes/airflow-values.yaml contains nothing that matches 'tracking_ref"
        in output
    )


@pytest.mark.parametrize("words", [(), ("check",), ("set", "v1.2.3"), ("show", "1.2.3")])
def test_what_it_does_not_know_changes_nothing(checkout: Path, words: tuple[str, ...]) -> None:
    status, output = version(checkout, *words)
    assert status == 1
    assert "is neither `check 1.2.3` nor `set 1.2.3`" in output
