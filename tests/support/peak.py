"""Loads and checks a year of flights in a process of its own, and prints what each took, as JSON.

Run as `python -m tests.support.peak <endpoint> <access key> <secret key> <repository>`.
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

from include.contract import loader
from include.ingestion.check import every_day
from include.ingestion.day_ranges import days_between
from include.ingestion.ingestion import Ingestion
from include.ingestion.load import load
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.run_identity import RunIdentity
from include.settings import ROOT
from include.validation.runner import validate

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


def load_year(table: Table) -> int:
    """Load the year into a branch; how many rows."""
    table.lake.create_branch(BRANCH, "main")
    run = RunIdentity(dag_id="flights.ingest", run_id="year")
    ingestion = Ingestion(
        pipeline=loader.load(FOLDER),
        folder=FOLDER,
        table=table,
        branch=BRANCH,
        first=YEAR[0],
        last=YEAR[1],
        run=run,
    )
    return load(ingestion).rows


def check_year(table: Table) -> int:
    """Check the year; how many rows passed."""
    verdict = validate(
        FOLDER / "expectations.yaml", every_day(table, BRANCH, list(days_between(*YEAR)))
    ).verdict
    return int(verdict.numbers["rows"]) if verdict.passed else 0


def main() -> None:
    endpoint, access, secret, repository = sys.argv[1:]
    connection = LakeConnection(endpoint=endpoint, access_key_id=access, secret_access_key=secret)
    table = Table(Lake(connection, repository), "departures")
    before, found = peak(), []
    for work in (load_year, check_year):
        start = time.monotonic()
        rows = work(table)
        seconds, growth = time.monotonic() - start, peak() - before
        found.append({"work": work.__name__, "rows": rows, "growth": growth, "seconds": seconds})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
