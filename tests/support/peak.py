"""Loads a year of flights in a process of its own, and prints what it took, as JSON.

Run as `python -m tests.support.peak <endpoint> <access key> <secret key> <repository> <load|check>`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import date
from pathlib import Path

# What the work imports, first: its memory is not the work's.
import great_expectations.expectations  # noqa: F401
import lakefs_client.client  # noqa: F401
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401

from include import catalog
from include.identity import RunIdentity
from include.ingest import _every_day, load
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.settings import ROOT
from include.validation import validate

FOLDER = ROOT / "include/pipelines/flights"
YEAR = (date(2013, 1, 1), date(2013, 12, 31))
BRANCH = "ingest-year"


def peak() -> int:
    """The most bytes this process has held at once. (Linux's ru_maxrss knows the parent's, too.)"""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def work(table: Table, what: str) -> int:
    """Load the year, or check it; how many rows."""
    if what == "load":
        table.lake.create_branch(BRANCH, "main")
        run = RunIdentity(dag_id="flights.ingest", run_id="year")
        return load(catalog.load(FOLDER), table, BRANCH, *YEAR, folder=FOLDER, run=run).rows
    found = validate(FOLDER / "expectations.yaml", _every_day(table, BRANCH, *YEAR))
    return int(found.verdict.numbers["rows"]) if found.verdict.passed else 0


def main() -> None:
    endpoint, access, secret, repository, what = sys.argv[1:]
    connection = LakeConnection(endpoint=endpoint, access_key_id=access, secret_access_key=secret)
    table = Table(Lake(connection, repository), "departures")
    before, start = peak(), time.monotonic()
    rows = work(table, what)
    print(json.dumps({"rows": rows, "growth": peak() - before, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    main()
