"""Documents the part of lakeFS's published API that the embedded lake supports."""

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
tests run against a real lakeFS if `LAKEFS_TEST_ENDPOINT`, `LAKEFS_TEST_ACCESS_KEY_ID` and
`LAKEFS_TEST_SECRET_ACCESS_KEY` are set. Its behaviour decides what is correct.

- **supported**: covered by contract tests, whose number is given.
- **partly**: supported and covered by contract tests, except for what is named, which is answered with 501.
- **501**: answered with 501 and a message, which a test checks for each operation. It needs a lakeFS server.

{counts}
"""

DIFFERENCES = f"""
## Where it differs on purpose

| | lakeFS {VERSION.rpartition(".")[0]} | the embedded lake |
|---|---|---|
| getting a commit by an invalid expression (`main@~`, `main^9`) | 500 | 400 |
| an upload by form without the part `content`, a branch with an empty name | 500 | 400 |
| deleting several objects of a branch that does not exist | 200, no errors | 404 |
| `find_merge_base` | source and destination are swapped | as documented |
| a conflict in a merge | an empty `reference` | an empty `reference`, and a `message` with the paths |
| downloads | `Content-Disposition: attachment` | no such header, on which `lakefs-client` can fail; \
a policy lets browsers run nothing of an object |
| linking a content | size and content are not looked at, other addresses are taken | \
the size has to be right, other addresses are refused |
| symlink files of several folders | all but the last list the folder before; of no objects: no answer | \
each lists its own; of no objects: none |
| where symlink files are | below the repository's namespace | below `symlinks` beside the objects |
| a commit with metadata, cherry-picked without | not found by its id for ten minutes | is found |
| a page of a diff with a delimiter, after a name | lacks paths that begin with that name | is complete |
| rules of branch protection | apply after about a second to a branch in use | apply at once |
| hooks of actions | webhooks, Lua, Airflow | webhooks; actions of another kind refuse commits (501) |
| an action file that is not valid | 500 | 412, with the fault |
| redirects of a webhook | are followed | are a failure |
| a webhook's response in the output of its run | as a whole | its first 200 characters |
| a webhook's proxy | of the server's environment | none |
| runs of actions | all are kept | the newest 1,000 of a repository are kept |
| requests with a signature of S3 | the S3 gateway answers | 501, in the XML of S3 |
| `sample_data` | lakes, with pictures | three small files of our own: a table of lakes and two texts |
| the name of a deleted repository | is free after some seconds, its namespace never | both are free at once |
| ids of stores | those of its settings | one store, whose id is empty |
| `/metrics`, `/openapi.json` | need no keys | need keys; the description has what is served here |
| users, groups, policies | supported | two key pairs: one with all rights, one read-only |
"""


@cache
def covered() -> dict[str, list[str]]:
    """Return the names of the contract tests of each operation that has any."""
    found: dict[str, list[str]] = {}
    for test, given in _marks("endpoint"):
        for operation in given:
            found.setdefault(operation, []).append(test)
    return found


@cache
def missing() -> dict[str, str]:
    """Return what partly supported operations lack."""
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
    """Return the page that corresponds to the tests."""
    rows = [(operation, *_state(operation)) for operation in operations()]
    states = Counter(state for _, state, _ in rows)
    counts = (
        f"Of {len(rows)} operations {states['supported']} are supported, {states['partly']} partly, "
        f"{states['501']} answered with 501."
    )
    parts = [INTRODUCTION.format(version=lakefs_sdk.__version__, counts=counts)]
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
    """Write the page, if all contract tests pass."""
    # In a separate process: pytest cannot rewrite the assertions of modules that are already imported here.
    if subprocess.run([sys.executable, "-m", "pytest", "-q", CONTRACT], cwd=ROOT).returncode:
        sys.exit("the contract tests fail: the page was not changed")
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
