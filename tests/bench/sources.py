"""`make bench WHAT=sources`: what reading each kind of source costs, beside a plain script of its library.

Both read the same rows and write the same days as Parquet, each in a process of its own; the first is all of
`load` but the lake. Seconds, CPU seconds, and the memory that a process takes above what its imports take;
medians. Turns alternate, so that a busy machine slows both down.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset  # which deltalake imports
import pyarrow.json
import pyarrow.parquet as pq
import python_calamine
from rich.progress import Progress

from include.contract import loader
from include.ingestion import delimited, delta, excel, json_lines  # noqa: F401 - their memory is not the work's
from include.ingestion.partitioner import parts
from include.ingestion.readers import pinned
from include.settings import ROOT, settings
from tests.bench.facts import report
from tests.support.peak import peak
from tests.support.pipeline import FIRST, write_pipeline
from tests.support.workbooks import write_xlsx

URIS = {
    "parquet": "orders.parquet",
    "csv": "orders.csv",
    "jsonl": "orders.jsonl",
    "excel": "orders.xlsx",
    "delta": "orders",
}
_SHEET = 1_048_575
"""Rows of a sheet of Excel, without the header."""
_BATCH = 200_000
Facts = dict[str, float]


def rows(count: int, days: int) -> Iterator[pa.Table]:
    """Orders in the order of time: numbers, text and a time, eight columns."""
    random = np.random.default_rng(7)
    seconds = days * 86_400 / count
    for start in range(0, count, _BATCH):
        number = np.arange(start, min(start + _BATCH, count))
        times = np.datetime64(FIRST, "s") + (number * seconds).astype("timedelta64[s]")
        yield pa.table(
            {
                "time": pa.array(times.astype("datetime64[us]")),
                "id": number,
                "amount": random.random(len(number)) * 100,
                "kind": pa.array(np.where(random.random(len(number)) < 0.5, "book", "toy")),
                "returned": random.integers(0, 2, len(number)),
                "weight": random.random(len(number)),
                "price": random.random(len(number)),
                "city": pa.array([f"city {place}" for place in random.integers(0, 500, len(number))]),
            }
        )


def write(kind: str, file: Path, tables: Iterator[pa.Table]) -> None:
    """Write rows as one kind of source."""
    if kind == "excel":
        cells = (list(row.values()) for table in tables for row in table.to_pylist())
        names = next(rows(1, 1)).schema.names
        write_xlsx(file, {"Orders": _with_header(names, cells)})
    elif kind == "delta":
        for table in tables:
            deltalake.write_deltalake(str(file), table, mode="append")
    elif kind == "jsonl":
        with file.open("w") as out:
            for table in tables:
                out.writelines(f"{json.dumps(row, default=str)}\n" for row in table.to_pylist())
    else:
        _write_by_arrow(kind, file, tables)


def _with_header(names: list[str], cells: Iterator[list[Any]]) -> Iterator[list[Any]]:
    yield names
    yield from cells


def _write_by_arrow(kind: str, file: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    make = pq.ParquetWriter if kind == "parquet" else pyarrow.csv.CSVWriter
    with make(str(file), first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _calamine(file: Path) -> pa.Table:
    names, *lines = python_calamine.load_workbook(str(file)).get_sheet_by_index(0).iter_rows()
    return pa.table(dict(zip(map(str, names), map(list, zip(*lines, strict=True)), strict=True)))


PLAIN: dict[str, Callable[[Path], pa.Table]] = {
    "parquet": lambda file: pq.read_table(str(file)),
    "csv": lambda file: pyarrow.csv.read_csv(str(file)),
    "jsonl": lambda file: pyarrow.json.read_json(str(file)),
    "excel": _calamine,
    "delta": lambda file: deltalake.DeltaTable(str(file)).to_pyarrow_table(),
}


def plain(kind: str, folder: Path, days: int, out: Path) -> int:
    """Read and write as a script of the library does; how many rows."""
    table = PLAIN[kind](folder / URIS[kind])
    dates = table["time"].cast(pa.date32(), safe=False)
    for number in range(days):
        found = table.filter(pc.equal(dates, pa.scalar(FIRST + timedelta(number))))
        pq.write_table(found, out / f"{number}.parquet", compression="zstd")
    return int(table.num_rows)


def ours(kind: str, folder: Path, days: int, out: Path) -> int:
    """Read and write as `load` does; how many rows."""
    feed = pinned(loader.load(folder).feed(), folder)
    last = FIRST + timedelta(days - 1)
    return sum(part.rows for part in parts(feed, FIRST, last, folder=folder, scratch=out))


def work(how: str, kind: str, folder: Path, days: int) -> Facts:
    """Do it once in this process; what it took."""
    before, started, cpu = peak(), time.monotonic(), time.process_time()
    with TemporaryDirectory(dir=folder.parent) as out:
        found = {"plain": plain, "ours": ours}[how](kind, folder, days, Path(out))
    return {
        "rows": found,
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "MiB": (peak() - before) / 2**20,
    }


def _child(how: str, kind: str, folder: Path, days: int) -> Facts:
    command = [sys.executable, "-m", "tests.bench.sources", "--work", how, kind, str(folder), str(days)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: Facts = json.loads(done.stdout)
    return found


def measure(kind: str, count: int, days: int, turns: int, var: Path) -> Facts:
    """Write a source, then read it in turns."""
    with TemporaryDirectory(prefix="bench-sources-", dir=var) as scratch:
        folder = write_pipeline(Path(scratch), source={"reader": kind, "uri": URIS[kind]})
        write(kind, folder / URIS[kind], rows(count, days))
        taken: dict[str, list[Facts]] = {"plain": [], "ours": []}
        for _ in range(turns):
            for how, all_taken in taken.items():
                all_taken.append(_child(how, kind, folder, days))
    assert {one["rows"] for found in taken.values() for one in found} == {count}
    half = {how: {key: median(one[key] for one in found) for key in found[0]} for how, found in taken.items()}
    return {
        f"{kind}, rows": count,
        f"{kind}, s": round(half["ours"]["seconds"], 2),
        f"{kind}, plain, s": round(half["plain"]["seconds"], 2),
        f"{kind}, s / plain": round(half["ours"]["seconds"] / half["plain"]["seconds"], 2),
        f"{kind}, CPU / plain": round(half["ours"]["cpu"] / half["plain"]["cpu"], 2),
        f"{kind}, MiB": round(half["ours"]["MiB"]),
        f"{kind}, plain, MiB": round(half["plain"]["MiB"]),
    }


def main() -> None:
    """Measure, print, and write `var/bench/sources.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.sources", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=list(URIS), choices=list(URIS))
    parser.add_argument("--work", nargs=4, metavar=("HOW", "KIND", "FOLDER", "DAYS"))
    given = parser.parse_args()
    if given.work:
        how, kind, folder, days = given.work
        print(json.dumps(work(how, kind, Path(folder), int(days))))
        return
    var = settings().var
    var.mkdir(parents=True, exist_ok=True)
    facts: Facts = {}
    with Progress(transient=True) as progress:
        for kind in progress.track(given.kinds, description="sources"):
            count = min(given.rows, _SHEET) if kind == "excel" else given.rows
            facts |= measure(kind, count, given.days, given.turns, var)
    report("sources", "reading a source", facts)


if __name__ == "__main__":
    main()
