"""Every finding has the form that findings/README.md promises; none is run here, nor by the CI."""

from __future__ import annotations

import ast
import os
import re
from datetime import date
from pathlib import Path

import pytest

from include.settings import ROOT

FINDINGS = sorted((ROOT / "findings").glob("*.sh"))
FIELDS = ("Guess", "Seen", "Versions", "Date", "Source")
OURS = {"dags", "include", "millrace", "plugins", "tests"}
WHAT_CI_READS = (
    ".ci/run",
    ".ci/Jenkinsfile",
    ".ci/gitlab-ci.yaml",
    *(str(file.relative_to(ROOT)) for file in (ROOT / ".github/workflows").iterdir()),
)

finding = pytest.mark.parametrize("script", FINDINGS, ids=lambda file: file.stem)


def header(script: Path) -> dict[str, str]:
    """Return the fields of a script's first comment."""
    comment = re.match(r"(?:#.*\n)+", script.read_text())
    assert comment
    text = re.sub(r"\n# +", " ", re.sub(r"\n# (?=[A-Z][a-z]+: )", "\n", comment[0]))
    return dict(re.findall(r"^([A-Z][a-z]+): (.+)$", text, re.MULTILINE))


def installed(script: Path) -> list[str]:
    """Return what a script installs with pip."""
    (command,) = re.findall(r"pip install ((?:.*\\\n)*.*)\n", script.read_text())
    return [word for word in command.replace("\\\n", " ").split() if not word.startswith("-")]


def python(script: Path) -> ast.Module:
    (program,) = re.findall(r"<<'EOF'\n(.*?)^EOF$", script.read_text(), re.MULTILINE | re.DOTALL)
    return ast.parse(str(program))


def test_there_are_findings() -> None:
    assert FINDINGS


@finding
def test_the_header_has_every_field(script: Path) -> None:
    fields = header(script)
    missing = [name for name in FIELDS if not fields.get(name)]
    assert missing == [], f"{script.name}: write {', '.join(missing)} into its first comment"
    assert date.fromisoformat(fields["Date"]) >= date(2026, 11, 1)


@finding
def test_it_can_be_started_and_stops_at_the_first_error(script: Path) -> None:
    lines = script.read_text().splitlines()
    assert os.access(script, os.X_OK), f"chmod +x findings/{script.name}"
    assert re.fullmatch(r"#!(/bin/sh|/usr/bin/env bash)", lines[0])
    assert "set -eu" in lines


@finding
def test_it_removes_its_temporary_folder(script: Path) -> None:
    text = script.read_text()
    assert 'scratch=$(mktemp -d)\ntrap \'rm -rf "$scratch"\' EXIT\ncd "$scratch"\n' in text


@finding
def test_every_package_is_pinned_at_the_version_of_the_header(script: Path) -> None:
    packages = installed(script)
    loose = [package for package in packages if not re.fullmatch(r"[a-z][a-z-]+==[\d.]+", package)]
    assert packages
    assert loose == [], f"{script.name}: pin {', '.join(loose)} with =="
    told = re.sub(r" \(\w+\)", "", header(script)["Versions"]).split(", ")
    assert sorted(package.replace("==", " ") for package in packages) == sorted(told)


@finding
def test_it_stands_without_the_project(script: Path) -> None:
    nodes = list(ast.walk(python(script)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} & OURS == set()
    assert not re.search(r"\$0|BASH_SOURCE|PYTHONPATH|\bgit\b", script.read_text())


@finding
def test_it_says_when_it_is_outdated(script: Path) -> None:
    assert re.search(r"raise SystemExit\(f?\"outdated: ", script.read_text())


def test_the_readme_lists_every_finding_with_its_version() -> None:
    readme = (ROOT / "findings/README.md").read_text()
    rows = re.findall(r"^\| \[([\w-]+)\]\(\1\.sh\) \| ([\w-]+ [\d.]+) \|", readme, re.MULTILINE)
    told = {script.stem: header(script)["Versions"].partition(",")[0] for script in FINDINGS}
    assert dict(rows) == told


@pytest.mark.parametrize("file", WHAT_CI_READS)
def test_the_ci_runs_none(file: str) -> None:
    assert "findings" not in (ROOT / file).read_text()


def test_make_reads_them_for_lint_and_runs_none() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "findings" in line]
    assert [line.partition(" ")[0] for line in lines] == ["SCRIPTS"]
