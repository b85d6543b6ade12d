"""Run schemathesis in a process of its own, and read what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.settings import ROOT

_PROGRAM = Path(sys.executable).with_name("schemathesis")
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Outcome:
    """What one run sent and found; `output` is what schemathesis printed."""

    operations: int
    requests: int
    failures: tuple[str, ...]
    output: str

    def __str__(self) -> str:
        return f"{self.operations} operations, {self.requests:,} requests, {len(self.failures)} failures"


def run(schema: str, config: str, authorization: str, *options: str) -> Outcome:
    """Send requests to every operation of a schema, an address or a file, as a file of settings here says.

    Raises RuntimeError if it could not be run to its end.
    """
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        fixed = ["--no-color", "--max-failures", "20", "--header", f"Authorization: {authorization}"]
        command = [f"{_PROGRAM}", "--config-file", f"{_HERE / config}", "run", schema, *fixed]
        ended = subprocess.run(
            [*command, "--report-json-path", f"{report}", *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        found = json.loads(report.read_text()) if report.exists() else {}
    if not found.get("complete") or found["errors"] or ended.returncode != bool(found["failures"]):
        raise RuntimeError(f"schemathesis ended with {ended.returncode}:\n{ended.stdout}")
    return _outcome(found, ended.stdout)


def _outcome(found: dict[str, Any], output: str) -> Outcome:
    failures = tuple(f"{one['title']}: {', '.join(one['operations'])}" for one in found["failures"])
    return Outcome(found["operations"]["tested"], found["test_cases"]["generated"], failures, output)
