"""`make test` begins with what takes longest."""

from __future__ import annotations

import subprocess
import sys

from include.settings import ROOT


def printed(*command: str) -> str:
    """What a command prints in the project's folder."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_files_that_start_a_stack_are_collected_first() -> None:
    given = (
        "tests/test_concurrency.py",
        "tests/governance/test_gate.py",
        "tests/platform/embedded/test_stack.py",
        "tests/loop/test_faults.py",
    )
    told = printed(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *given)
    found = dict.fromkeys(line.partition("::")[0] for line in told.splitlines() if "::" in line)
    assert list(found) == [given[3], given[2], given[1], given[0]]


def test_they_are_handed_out_as_they_are_collected() -> None:
    assert "--dist loadfile --no-loadscope-reorder" in printed("make", "-n", "test")
