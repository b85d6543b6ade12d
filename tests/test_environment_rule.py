"""The environment is read in one place: `include.settings`, and `include.environment` beneath it.

`include.environment` needs Python's standard library only. It is a module of its own for the operator's CLI,
which runs on servers where nothing is installed. Every other module of `include` takes `settings()`, or
`inherited_environment()` for a child process.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.settings import ROOT

READER = "include/environment.py"
SETTINGS = "include/settings.py"
CLI = ("include/platform/compose/__main__.py", "include/platform/compose/docker_compose.py")
# MLflow's clients take the login from the environment and from nowhere else.
WRITES = {"include/tracking/server.py": ["os.environ.update(self._login)"]}
_ACCESS = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
_LIBRARIES = {"pydantic_settings", "dotenv", "environs", "decouple"}

MODULES = {
    str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in sorted(ROOT.glob("include/**/*.py"))
}


def uses(node: ast.AST, statement: ast.AST) -> Iterator[str]:
    """The statements below a node that touch the environment, by their first lines."""
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.stmt) else statement
        named = isinstance(child, ast.Attribute) and child.attr in _ACCESS
        if named or (isinstance(child, ast.alias) and child.name in _ACCESS):
            yield ast.unparse(inner).splitlines()[0]
        yield from uses(child, inner)


def imported(module: ast.Module) -> set[str]:
    """The modules that a module imports, at its head or anywhere in it."""
    found: set[str] = set()
    for part in ast.walk(module):
        if isinstance(part, ast.Import):
            found |= {name.name for name in part.names}
        elif isinstance(part, ast.ImportFrom) and part.module:
            found |= {part.module, *(f"{part.module}.{name.name}" for name in part.names)}
    return found


def readers() -> dict[str, list[str]]:
    """Each module that touches the environment, with the statements that do."""
    found = {name: list(uses(module, module)) for name, module in MODULES.items()}
    return {name: statements for name, statements in found.items() if statements}


def test_no_module_but_one_reads_or_writes_the_environment() -> None:
    assert len(MODULES) > 100
    found = readers()
    assert found.pop(READER, None), f"{READER} reads it no more: this test has to follow"
    assert found == WRITES, f"take {SETTINGS}: `settings()`, or `inherited_environment()` for a child process"


def test_settings_are_declared_in_modules_of_that_name() -> None:
    readers = {name for name, module in MODULES.items() if imported(module) & _LIBRARIES}
    assert readers == {SETTINGS}
    bases = {
        name for name, module in MODULES.items() if "include.settings.FrozenSettings" in imported(module)
    }
    assert {Path(name).name for name in bases} == {"settings.py"}


def test_only_settings_and_the_cli_go_past_settings() -> None:
    users = {name for name, module in MODULES.items() if "include.environment" in imported(module)}
    assert users == {SETTINGS, *CLI}


def test_the_cli_needs_pythons_standard_library_only() -> None:
    code = (
        "import sys, include.platform.compose.__main__\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    told = subprocess.check_output([sys.executable, "-S", "-c", code], cwd=ROOT, text=True)
    assert {*told.split()} <= {*sys.stdlib_module_names, "__main__", "include"}


@pytest.mark.parametrize(
    "code",
    [
        "import os\nvalue = os.environ['X']",
        "import os\ndef f(x=os.getenv('X')): ...",
        "from os import environ as e",
        "import os\nif os.environ.get('X'):\n    pass",
        "import os as o\nwith a:\n    o.putenv('X', '1')",
    ],
)
def test_the_rule_sees_every_way_to_the_environment(code: str) -> None:
    module = ast.parse(code)
    assert len(list(uses(module, module))) == 1
