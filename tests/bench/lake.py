"""`make bench WHAT=lake`: what the embedded lake costs, and a real lakeFS beside it if there is one.

- Moving one large object up and down, against what the same disk takes with `dd conv=fsync` in between.
- Uploading small objects, by one client and by eight.
- Committing one changed object, and the diff of that commit, in repositories of 1k, 10k and 100k objects.
- Listing the largest of them in pages of a thousand: the first five pages against the last five.

Medians. Client and server share the machine, and all requests are HTTP over loopback. The objects of the
growing repositories of the embedded lake are put into its database before it starts, since uploading them
would measure nothing but small uploads again; a real lakeFS gets them by uploads, before its clock starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import urllib3
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from include.lake.client import LakeConnection
from include.platform.embedded.lakefs.database import Database, Repository
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.tree import Entry
from include.settings import settings
from tests.support.contract import Wire, real_lakefs
from tests.support.lake import run_lake_server

SIZES = (1_000, 10_000, 100_000)
"""Objects of the growing repositories."""

_MIB = 1 << 20
_CLIENTS = 8
_ROUNDS = 7
_MOVES = 5
_OBJECT = b"x" * 1024

Facts = dict[str, float]


class Bench:
    """The measurements of one server."""

    def __init__(self, connection: LakeConnection, step: Callable[[str], None]) -> None:
        self.wire = Wire(connection)
        self.step = step
        self.pool = urllib3.PoolManager(maxsize=_CLIENTS, blocksize=_MIB, retries=False)

    def send(self, method: str, repository: str, below: str, body: Any = None, **headers: str) -> bytes:
        """A request whose connection is kept; its answer, which must be a success."""
        answer = self.pool.request(
            method,
            f"{self.wire.connection.endpoint}/api/v1/repositories/{repository}{below}",
            headers={"Authorization": self.wire.basic(), **headers},
            **({"json": body} if isinstance(body, dict) else {"body": body}),
        )
        if answer.status >= 300:
            raise SystemExit(f"{method} {below} was answered with {answer.status}: {answer.data[:200]!r}")
        return answer.data

    def create(self) -> str:
        name = f"bench-{uuid4().hex[:12]}"
        self.wire.post("/repositories", {"name": name, "storage_namespace": f"local://{name}"})
        return name

    def upload(self, repository: str, path: str, content: bytes = _OBJECT) -> None:
        kind = {"Content-Type": "application/octet-stream"}
        self.send("POST", repository, f"/branches/main/objects?path={path}", content, **kind)

    def moving(self, folder: Path, mebibytes: int) -> Facts:
        """Megabytes (10^6 bytes) a second."""
        repository, block = self.create(), os.urandom(_MIB)
        seconds: dict[str, list[float]] = {"dd": [], "upload": [], "download": []}
        for number in range(_MOVES):
            self.step("moving")
            seconds["dd"].append(_timed(_dd, folder, mebibytes))
            content = (number.to_bytes(1, "big") + block[1:] if not i else block for i in range(mebibytes))
            size = {"Content-Length": str(mebibytes * _MIB), "Content-Type": "application/octet-stream"}
            below = f"/branches/main/objects?path=large-{number}"
            seconds["upload"].append(_timed(self.send, "POST", repository, below, content, **size))
            seconds["download"].append(_timed(self.read, repository, f"large-{number}"))
        rates = {name: mebibytes * _MIB / 1e6 / median(taken) for name, taken in seconds.items()}
        return {
            "dd conv=fsync, MB/s": rates["dd"],
            "upload, MB/s": rates["upload"],
            "upload / dd": rates["upload"] / rates["dd"],
            "download, MB/s": rates["download"],
            "download / dd": rates["download"] / rates["dd"],
        }

    def read(self, repository: str, path: str) -> None:
        url = (
            f"{self.wire.connection.endpoint}/api/v1/repositories/{repository}/refs/main/objects?path={path}"
        )
        keys = {"Authorization": self.wire.basic()}
        answer = self.pool.request("GET", url, headers=keys, preload_content=False)
        while answer.read(_MIB):
            pass
        answer.release_conn()

    def small(self) -> Facts:
        """Uploads of 1 KiB a second."""
        found = {}
        for clients, number in ((1, 300), (_CLIENTS, 1200)):
            self.step("small uploads")
            repository = self.create()
            found[f"uploads/s, clients: {clients}"] = number / _timed(self.fill, repository, number, clients)
        return found

    def fill(self, repository: str, number: int, clients: int = _CLIENTS) -> None:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda place: self.upload(repository, _path(place)), range(number)))

    def growth(self, repositories: dict[int, str]) -> Facts:
        """Milliseconds of a commit of one changed object, and of its diff; the sizes take turns."""
        taken: dict[tuple[str, int], list[float]] = {}
        for turn in range(_ROUNDS):
            self.step("growth")
            for size, repository in repositories.items():
                commit, diff = self.change(repository, _path(turn * size // _ROUNDS), turn)
                taken.setdefault(("commit", size), []).append(commit)
                taken.setdefault(("diff", size), []).append(diff)
        found: Facts = {}
        for (what, size), seconds in taken.items():
            found[f"{what}, ms, {size:,} objects"] = 1000 * median(seconds)
            if size != SIZES[0]:
                found[f"{what}, {size:,} / {SIZES[0]:,}"] = median(seconds) / median(taken[what, SIZES[0]])
        return found

    def change(self, repository: str, path: str, turn: int) -> tuple[float, float]:
        self.upload(repository, path, f"turn {turn}".encode())
        return (
            _timed(self.send, "POST", repository, "/branches/main/commits", {"message": "one"}),
            _timed(self.send, "GET", repository, "/refs/main~1/diff/main"),
        )

    def listing(self, repository: str) -> Facts:
        """Objects a second."""
        self.step("listing")
        pages, after, more = [], "", True
        while more:
            started = time.perf_counter()
            answer = json.loads(
                self.send("GET", repository, f"/refs/main/objects/ls?amount=1000&after={after}")
            )
            pages.append(time.perf_counter() - started)
            after, more = answer["pagination"]["next_offset"], answer["pagination"]["has_more"]
        first, last = (1000 / median(part) for part in (pages[:5], pages[-5:]))
        return {"listing, first pages, objects/s": first, "listing, last / first": last / first}


def main() -> None:
    """Measure, print, and write `var/bench/lake.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.lake", description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the large object")
    given = parser.parse_args()
    var = settings().var
    var.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="bench-lake-", dir=var) as folder, Progress(transient=True) as progress:
        facts = dict(_measure(Path(folder), given.mebibytes, progress))
    file = var / "bench" / "lake.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")
    _show(facts)
    Console(highlight=False).print(f"written to {file}", soft_wrap=True)


def _measure(folder: Path, mebibytes: int, progress: Progress) -> Iterator[tuple[str, Facts]]:
    steps = 1 + _MOVES + 2 + _ROUNDS + 1  # filling, moving, small uploads, growth, listing
    task = progress.add_task("embedded", total=steps)

    def step(what: str, server: str = "embedded") -> None:
        progress.update(task, advance=1, description=f"{server}: {what}")

    step("filling")
    repositories = _prepared(folder / "lake")
    with run_lake_server(folder / "lake") as server:
        yield "embedded", _all(Bench(server.connection, step), repositories, folder, mebibytes)
    real = real_lakefs()
    if real:
        progress.reset(task, total=steps)
        bench = Bench(real, lambda what: step(what, "lakeFS"))
        repositories = {size: bench.create() for size in SIZES}
        for size, repository in repositories.items():
            bench.fill(repository, size)
            bench.send("POST", repository, "/branches/main/commits", {"message": "all"})
        yield "lakeFS", _all(bench, repositories, folder, mebibytes)


def _all(bench: Bench, repositories: dict[int, str], folder: Path, mebibytes: int) -> Facts:
    return {
        **bench.moving(folder, mebibytes),
        **bench.small(),
        **bench.growth(repositories),
        **bench.listing(repositories[max(repositories)]),
    }


def _prepared(folder: Path) -> dict[int, str]:
    """Repositories with one commit of many objects, of which only the contents are missing."""
    folder.mkdir()
    database = Database(folder / "lake.sqlite")
    names = {size: f"grown-{size}" for size in SIZES}
    for size, name in names.items():
        facts = Repository(name, f"local://{name}", "main", int(time.time()))
        store = Store(database, facts)
        with database.transaction():
            database.add_repository(facts)
            store.initialise()
            for number in range(size):
                path = _path(number)
                database.stage(name, "main", path, Entry(path, f"{number:032x}", 1024, f"{number:064x}", 0))
        store.commit("main", "all", {})
    return names


def _path(number: int) -> str:
    return f"dt={number // 100:05}/part-{number:07}.parquet"


def _dd(folder: Path, mebibytes: int) -> None:
    file = folder / "dd"
    sent = ["dd", "if=/dev/zero", f"of={file}", "bs=1M", f"count={mebibytes}", "conv=fsync"]
    subprocess.run(sent, check=True, capture_output=True)
    file.unlink()


def _timed(work: Callable[..., object], *given: Any, **named: Any) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work(*given, **named)
    return time.perf_counter() - started


def _show(facts: dict[str, Facts]) -> None:
    table = Table("", *facts)
    for name in facts["embedded"]:
        table.add_row(name, *(f"{found[name]:,.2f}" for found in facts.values()))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
