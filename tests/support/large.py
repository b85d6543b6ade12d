"""Loads and streams one day of many rows in a process of its own, and prints what each took, as JSON.

Run as `python -m tests.support.large <endpoint> <access key> <secret key> <repository> <folder> <rows>`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

# What the work imports, first: its memory is not the work's.
import lakefs_client.client  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from include.contract import loader
from include.ingestion.ingestion import Ingestion
from include.ingestion.load import load
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.run_identity import RunIdentity
from tests.support.peak import peak
from tests.support.pipeline import day

BRANCH = "ingest-large"
ROWS_A_BATCH = 50_000


def read(first: date, last: date) -> Iterator[pa.RecordBatch]:
    """The rows of the first day: a time, a number, and eight columns of noise that do not compress."""
    random, rows = np.random.default_rng(7), int(sys.argv[6])
    for start in range(0, rows, ROWS_A_BATCH):
        columns = {f"noise_{number}": random.random(ROWS_A_BATCH) for number in range(8)}
        times = np.full(ROWS_A_BATCH, np.datetime64(first, "us"))
        yield pa.RecordBatch.from_pydict(
            {"time": times, "id": np.arange(start, start + ROWS_A_BATCH), **columns}
        )


def load_day(table: Table, folder: Path) -> int:
    """Load the day into a branch; how many rows."""
    table.lake.create_branch(BRANCH, "main")
    run = RunIdentity(dag_id="large.ingest", run_id="large")
    ingestion = Ingestion(
        pipeline=loader.load(folder),
        folder=folder,
        table=table,
        branch=BRANCH,
        first=day(0),
        last=day(0),
        run=run,
    )
    return load(ingestion).rows


def stream_day(table: Table, folder: Path) -> int:
    """Go through all of the day's columns; how many rows came in their order."""
    seen = 0
    for batch in table.batches(BRANCH, day(0), day(0)):
        seen += batch.num_rows * (batch["id"][0].as_py() == seen)
    return seen


def main() -> None:
    endpoint, access, secret, repository, folder = sys.argv[1:6]
    connection = LakeConnection(endpoint=endpoint, access_key_id=access, secret_access_key=secret)
    table = Table(Lake(connection, repository), "orders")
    before, found = peak(), []
    for work in (load_day, stream_day):
        start = time.monotonic()
        rows = work(table, Path(folder))
        seconds, growth = time.monotonic() - start, peak() - before
        found.append({"work": work.__name__, "rows": rows, "growth": growth, "seconds": seconds})
    parts = table.parts(BRANCH, day(0), day(0))[day(0)]
    print(json.dumps({"took": found, "parts": [part.size for part in parts]}))


if __name__ == "__main__":
    main()
