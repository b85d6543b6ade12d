"""Getting rows into the lake: load into a branch, check it there, or take it out of the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.concurrency import map_ordered
from include.contract.pipeline import Pipeline
from include.ingestion.partitioner import Part, parts
from include.ingestion.results import LoadResult
from include.lake.client import LakeObject
from include.lake.table import Table
from include.run_identity import RunIdentity

if TYPE_CHECKING:
    pass

_PARALLEL_UPLOADS = 4
"""Parts on their way at once, and on disk."""


def load(
    spec: Pipeline,
    table: Table,
    branch: str,
    first: date,
    last: date,
    *,
    folder: Path,
    run: RunIdentity,
    sql_url: str | None = None,
) -> LoadResult:
    """Stream the source's rows from `first` to `last` into a branch, and commit them.

    A million rows are a part, and a few parts are on disk at a time. A part whose content is on the branch
    already is not uploaded, so a second try, and a second run, writes only what is missing. Raises BadData
    if the source cannot be read.
    """
    stored = table.parts(branch, first, last)
    with TemporaryDirectory(prefix="millrace-") as scratch:
        found = parts(spec, first, last, folder=folder, scratch=Path(scratch), sql_url=sql_url)
        sent = _send(table, branch, found, stored)
    changed = {part.day for part, new in sent if new} | _remove_others(table, branch, sent, stored)
    metadata = {
        **run.metadata(),
        "pipeline": spec.name,
        "partition": label(first, last),
        "rows": str(sum(part.rows for part, _ in sent)),
        "source_checksum": _checksum(part for part, _ in sent),
    }
    made = table.lake.commit(branch, f"{run.dag_id}: load {metadata['partition']}", metadata)
    return LoadResult(
        commit=made or table.lake.resolve(branch),
        rows=int(metadata["rows"]),
        partitions=len({part.day for part, _ in sent if part.rows}),
        written=len(changed),
        source_checksum=metadata["source_checksum"],
    )


def label(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first}_{last}"


def _send(
    table: Table, branch: str, found: Iterator[Part], stored: dict[date, list[LakeObject]]
) -> list[tuple[Part, bool]]:
    """Upload parts, a few at once; each with whether the branch did not have it."""
    known = {item.path: item for items in stored.values() for item in items}

    def send(part: Part) -> tuple[Part, bool]:
        if part.file is None:
            return part, False
        path = _path(table, part)
        new = path not in known or not _holds(known[path], part.file)
        if new:
            table.lake.upload(branch, path, part.file)
        part.file.unlink()
        return part, new

    return list(map_ordered(send, found, _PARALLEL_UPLOADS))


def _remove_others(
    table: Table, branch: str, sent: Sequence[tuple[Part, bool]], stored: dict[date, list[LakeObject]]
) -> set[date]:
    """Take away what a partition held before and holds no more; the days of which this is so."""
    kept = {_path(table, part) for part, _ in sent if part.file}
    stale = {item.path: day for day, items in stored.items() for item in items if item.path not in kept}
    table.lake.delete_objects(branch, stale)
    return set(stale.values())


def _path(table: Table, part: Part) -> str:
    return f"{table.prefix(part.day)}part-{part.number}.parquet"


def _checksum(sent: Iterable[Part]) -> str:
    """A fingerprint of the source's rows."""
    lines = "".join(f"{part.day} {part.sha256}\n" for part in sent)
    return hashlib.sha256(lines.encode()).hexdigest()


def _holds(stored: LakeObject, file: Path) -> bool:
    """Whether a stored object has a file's content. lakeFS states the MD5 of an upload as its checksum."""
    if stored.size != file.stat().st_size:
        return False
    with file.open("rb") as content:
        return stored.checksum == hashlib.file_digest(content, "md5").hexdigest()
