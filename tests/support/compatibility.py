"""`make generate WHAT=compatibility`: which part of lakeFS's API the embedded lake has, by its tests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from types import ModuleType

import lakefs_sdk

from include.platform.embedded.lakefs.routes.server import VERSION
from include.settings import ROOT
from tests.support.published import Operation, operations

CONTRACT = ROOT / "tests/platform/embedded/lakefs" / "contract"
PAGE = ROOT / "docs" / "lakefs-compatibility.md"

INTRODUCTION = """\
# What the embedded lake has of lakeFS

`make generate WHAT=compatibility` writes this page from the API that `lakefs-sdk` {version} publishes and
from the contract tests below `tests/platform/embedded/lakefs/contract/`, after these have passed. The same
tests run against a real lakeFS when `LAKEFS_TEST_ENDPOINT`, `LAKEFS_TEST_ACCESS_KEY_ID` and
`LAKEFS_TEST_SECRET_ACCESS_KEY` are set: it is the judge of what is right.

- **supported**: contract tests cover it; the number of tests is given.
- **partly**: so, except for what is named, which is answered with 501.
- **501**: answered with 501 and a message; a test asks each of them. Use a lakeFS server for it.

{counts}
"""

DIFFERENCES = f"""
## Where it differs on purpose

| | lakeFS {VERSION.rpartition(".")[0]} | the embedded lake |
|---|---|---|
| an expression that makes no sense (`main@~`, `main^9`), asked for as a commit | 500 | 400 |
| an upload by form without the part `content`, a branch with an empty name | 500 | 400 |
| deleting many objects of a branch that is not there | 200, no errors | 404 |
| `find_merge_base` | source and destination are swapped | as documented |
| a conflict in a merge | `reference`, which is empty | beside it a `message` that names the paths |
| downloads | `Content-Disposition: attachment` | none: `lakefs-client` fails on it unless it streams |
| a commit with metadata, once picked without any | not found by its id for ten minutes | stays |
| a page of a diff with a delimiter, behind a name | lacks what begins with that name | lacks nothing |
| rules of branch protection | apply after about a second where a branch is in use | apply at once |
| user, groups, policies | of the server | one key pair that may all, one that may read |
"""


@cache
def covered() -> dict[str, list[str]]:
    """Operations that contract tests are marked with, and the names of these tests."""
    found: dict[str, list[str]] = {}
    for test, given in _marks("endpoint"):
        for operation in given:
            found.setdefault(operation, []).append(test)
    return found


@cache
def missing() -> dict[str, str]:
    """What supported operations lack."""
    found: dict[str, list[str]] = {}
    for _, (operation, what) in _marks("missing"):
        found.setdefault(operation, []).append(what)
    return {operation: ", ".join(parts) for operation, parts in found.items()}


def _marks(kind: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for path in sorted(CONTRACT.glob("test_*.py")):
        for name, test in vars(_module(path)).items():
            for mark in getattr(test, "pytestmark", ()) if name.startswith("test_") else ():
                if mark.name == kind:
                    yield f"{path.stem}::{name}", mark.args


@cache
def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contract.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def page() -> str:
    """The page as it must be."""
    rows = [(operation, *_state(operation)) for operation in operations()]
    states = Counter(state for _, state, _ in rows)
    told = (
        f"Of {len(rows)} operations {states['supported']} are supported, {states['partly']} partly, "
        f"{states['501']} answered with 501."
    )
    parts = [INTRODUCTION.format(version=lakefs_sdk.__version__, counts=told)]
    for group, found in groupby(sorted(rows, key=lambda row: row[0].group), key=lambda row: row[0].group):
        parts.append(f"\n## {group}\n\n| operation | request | | |\n|---|---|---|---|\n")
        parts += [
            f"| `{operation.name}` | `{operation.method} {operation.path}` | {state} | {note} |\n"
            for operation, state, note in found
        ]
    return "".join(parts) + DIFFERENCES


def _state(operation: Operation) -> tuple[str, str]:
    tests, lacks = covered().get(operation.name), missing().get(operation.name)
    if not tests:
        return "501", ""
    count = f"{len(tests)} test{'s' if len(tests) > 1 else ''}"
    return ("partly", f"{count}; not {lacks}") if lacks else ("supported", count)


def main() -> None:
    """Write the page, when all contract tests pass."""
    # In a process of its own: what is imported here already, pytest could not watch any more.
    if subprocess.run([sys.executable, "-m", "pytest", "-q", CONTRACT], cwd=ROOT).returncode:
        sys.exit("the contract tests fail: the page is left as it is")
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
