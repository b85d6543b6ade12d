"""Where things are: tests mirror the sources, and nothing names a place of before the move to rooms."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.settings import ROOT

TOP = (".ci", ".github", "dags", "docs", "include", "plugins", "tests")
BINARY = {".gz", ".gif", ".ico", ".jpg", ".parquet", ".png", ".pyc", ".zip"}
HISTORY = {"CHANGELOG.md", "tests/test_layout.py"}

OLD = {
    "include": (
        "ahead", "beside", "catalog", "compose", "demo", "drift", "embedded", "evaluation", "features",
        "gate", "identity", "images", "ingest", "kubernetes", "ledger", "observability", "pages", "policy",
        "preload", "promotion", "readers", "registry", "scoring", "sources", "spec", "tags", "training",
        "tuning",
        "jobs.environment", "jobs.exits", "jobs.model", "jobs.night", "jobs.run", "jobs.work",
        "lake.imports", "lake.looks", "lake.publish", "lake.records", "lake.setup", "lake.steps",
    ),
    "millrace": (
        "answers", "branching", "cluster", "dag", "engine", "examples", "jobs", "labels", "links", "retries",
        "webhook", "operators.branching", "operators.docker_job", "operators.job", "operators.kubernetes_job",
        "operators.model", "sensors.lakefs.PartitionSensor", "triggers.pod",
    ),
    "dags": ("broken",),
}  # fmt: skip
"""Modules and folders of before the move; a folder stands for all below it."""

# Folders of tests and what they test; all others mirror a folder of `include/`.
ELSEWHERE = {
    "ci": ".ci",
    "findings": "findings",
    "dags": "dags",
    "loop": ".",  # the whole platform
    "platform/embedded/lakefs/contract": "include/platform/embedded/lakefs",  # the published API
    "plugins": "plugins/millrace",
    "wrong_inputs": ".",  # of every room
}
TESTED_BY = {"plugins/millrace/triggers": "tests/plugins/sensors"}  # through the sensors that defer to them


def files() -> Iterator[Path]:
    """Yield every text file of the project, also where the checkout is a copy without `.git`."""
    yield from (file for file in ROOT.iterdir() if file.is_file() and file.name != ".env")
    for top in TOP:
        for folder, _, names in os.walk(ROOT / top):
            yield from (Path(folder, name) for name in names if Path(name).suffix not in BINARY)


def modules_in(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*.py") if file.name != "__init__.py"]


def old_names() -> re.Pattern[str]:
    """Match an old name as a module, as a path and as `from include import name`."""
    patterns = []
    for package, modules in OLD.items():
        for module in modules:
            parent, _, name = f"{package}.{module}".rpartition(".")
            place = f"{parent}.{name}".replace(".", "[./]")
            patterns.append(rf"{place}(?![\w-])|from {re.escape(parent)} import (?:\w+, )*{name}\b")
    return re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})")


def test_no_file_names_an_old_place() -> None:
    pattern = old_names()
    found = [
        f"{path}:{number}: {match[0]}"
        for file in files()
        if (path := file.relative_to(ROOT).as_posix()) not in HISTORY
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("from include.spec import Pipeline", True),
        ("from include import catalog", True),
        ("`include/embedded/lakefs/`", True),
        ("python -m include.compose up", True),
        ("COPY plugins/millrace/answers.py /", True),
        ("from include.jobs.spec import Job", False),
        ("from include.contract import loader", False),
        ("`include/platform/embedded/lakefs/`", False),
        ("millrace-jobs, millrace.jobs-by, include.specification", False),
    ],
)
def test_old_names_are_told_apart(text: str, old: bool) -> None:
    assert bool(old_names().search(text)) == old


@pytest.mark.parametrize("package", OLD)
def test_no_old_module_is_back(package: str) -> None:
    folder = ROOT / ("plugins/millrace" if package == "millrace" else package)
    places = [folder / module.replace(".", "/") for module in OLD[package]]
    assert [place for place in places if modules_in(place) or place.with_suffix(".py").exists()] == []


def test_every_folder_of_tests_mirrors_a_folder_of_sources() -> None:
    tests = ROOT / "tests"
    folders = {file.parent.relative_to(tests).as_posix() for file in tests.rglob("test_*.py")} - {"."}
    assert folders
    for folder in sorted(folders):
        top, _, rest = folder.partition("/")
        source = ELSEWHERE.get(folder) or f"{ELSEWHERE.get(top, f'include/{top}')}/{rest}"
        assert (ROOT / source).is_dir(), f"tests/{folder}: there is no {source}"


def test_every_room_with_code_has_tests() -> None:
    rooms = [*ROOT.glob("include/*/"), *ROOT.glob("include/platform/*/"), *ROOT.glob("plugins/millrace/*/")]
    rooms = [room for room in rooms if modules_in(room)]
    assert rooms
    for room in rooms:
        source = room.relative_to(ROOT).as_posix()
        mirror = source.replace("plugins/millrace", "tests/plugins").replace("include/", "tests/")
        tests = TESTED_BY.get(source, mirror)
        assert list((ROOT / tests).glob("test_*.py")), f"{source}: it has no tests in {tests}"


def test_no_code_of_a_pipeline_imports_airflow() -> None:
    """A pipeline's folder is not a package, so import-linter does not see its modules."""
    modules = sorted((ROOT / "include/pipelines").rglob("*.py"))
    assert modules
    for module in modules:
        nodes = list(ast.walk(ast.parse(module.read_text())))
        imports = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        imports |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        tops = {name.partition(".")[0] for name in imports}
        assert not tops & {"airflow", "dags", "millrace"}, f"{module}: it imports {sorted(imports)}"
