"""Load: stream the rows of a source into a branch of the lake, and commit them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from include.concurrency import map_ordered
from include.contract import loader
from include.ingestion.columns import TableColumns
from include.ingestion.hashing import described
from include.ingestion.held import held_types
from include.ingestion.ingestion import Ingestion
from include.ingestion.keys import check_hashed_keys, key_types, partner_keys
from include.ingestion.partitioner import Part, parts
from include.ingestion.readers import pinned, version_of
from include.ingestion.results import LoadResult
from include.ingestion.strays import Strays
from include.lake.table import Table
from include.lake.types import LakeObject

_PARALLEL_UPLOADS = 4
"""Parts on their way at once, and on disk."""
_MAX_NAMED = 10

log = logging.getLogger(__name__)


def load(ingestion: Ingestion, *, sql_url: str | None = None) -> LoadResult:
    """Stream the source's rows of the ingestion's days into its branch, and commit them.

    A part holds a million rows, and a few parts are on disk at a time. A part whose content is on the branch
    already is not uploaded, so a second try, and a second run, writes only what is missing. Raises BadData
    if the source cannot be read, Misconfigured if the table belongs to another pipeline.
    """
    table, branch, first, last = ingestion.table, ingestion.branch, ingestion.first, ingestion.last
    table.check_writer(branch, ingestion.pipeline.name, loader.names(ingestion.folder.parent))
    feed = pinned(ingestion.feed, ingestion.folder)
    version = version_of(feed.source)
    held = held_types(table, branch)
    partner = partner_keys(feed, table, branch)
    keys = key_types(feed, partner, held)
    columns = TableColumns.of(feed, ingestion.folder, held, keys, ingestion.hasher)
    columns.check_held()
    check_hashed_keys(columns, partner)
    stored = table.parts(branch, first, last)
    strays = Strays(feed.source, feed.at)
    with TemporaryDirectory(prefix="millrace-") as scratch:
        source = parts(
            feed,
            first,
            last,
            folder=ingestion.folder,
            scratch=Path(scratch),
            sql_url=sql_url,
            columns=columns,
            strays=strays,
            new_from=ingestion.new_from,
        )
        sent = _send(table, branch, source, stored)
    missing = [part.day for part, _ in sent if part.is_missing and not ingestion.is_read_again(part.day)]
    _report(missing)
    _keep(columns, table, branch)
    _report_strays(strays)
    changed = {part.day for part, is_new in sent if is_new} | _remove_others(table, branch, sent, stored)
    metadata = {
        **ingestion.run.metadata(),
        "pipeline": ingestion.pipeline.name,
        "partition": ingestion.label,
        "rows": str(sum(part.rows for part, _ in sent)),
        "late": str(strays.late),
        "undated": str(strays.undated),
        "source_checksum": _checksum(part for part, _ in sent),
        **({"source_version": version} if version else {}),
    }
    commit = table.lake.commit(branch, f"{ingestion.run.dag_id}: load {ingestion.label}", metadata)
    return LoadResult(
        commit=commit or table.lake.resolve(branch),
        rows=int(metadata["rows"]),
        partitions=len({part.day for part, _ in sent if part.rows}),
        written=len(changed),
        missing=len(missing),
        late=strays.late,
        undated=strays.undated,
        source_checksum=metadata["source_checksum"],
        source_version=version,
    )


def _keep(columns: TableColumns, table: Table, branch: str) -> None:
    """Keep the types of columns that are new to the table."""
    before = set() if columns.held is None else set(columns.held.names)
    if new := [f"{field.name} ({described(field)})" for field in columns.schema if field.name not in before]:
        log.info("the table holds %d new column(s) from now on: %s", len(new), ", ".join(new[:_MAX_NAMED]))
    kept = table.schema(branch)
    if kept is None or not columns.schema.equals(kept, check_metadata=True):
        table.write_schema(branch, columns.schema)


def _report(missing: Sequence[date]) -> None:
    if missing:
        log.warning(
            "the source has no file for %d day(s), which are skipped (source.missing): %s%s",
            len(missing),
            ", ".join(map(str, missing[:_MAX_NAMED])),
            ", …" if len(missing) > _MAX_NAMED else "",
        )


def _report_strays(strays: Strays) -> None:
    if strays.late or strays.undated:
        log.warning(
            "left out %d row(s) of other days than their file's (source.late) and %d without a time "
            "(source.invalid_time)",
            strays.late,
            strays.undated,
        )


def _send(
    table: Table, branch: str, source: Iterator[Part], stored: dict[date, list[LakeObject]]
) -> list[tuple[Part, bool]]:
    """Upload parts, a few at once; return each with whether it was new to the branch."""
    known = {item.path: item for items in stored.values() for item in items}

    def send(part: Part) -> tuple[Part, bool]:
        if part.file is None:
            return part, False
        path = _path(table, part)
        is_new = path not in known or not _has_content(known[path], part.file)
        if is_new:
            table.lake.upload(branch, path, part.file)
        part.file.unlink()
        return part, is_new

    return list(map_ordered(send, source, _PARALLEL_UPLOADS))


def _remove_others(
    table: Table, branch: str, sent: Sequence[tuple[Part, bool]], stored: dict[date, list[LakeObject]]
) -> set[date]:
    """Delete what a partition held before and holds no more; return the days with such objects.

    A day that is missing keeps what it holds: that the file is gone does not say that its rows are.
    """
    current = {_path(table, part) for part, _ in sent if part.file}
    known = {part.day for part, _ in sent if not part.is_missing}
    stale = {
        item.path: day
        for day, items in stored.items()
        for item in items
        if day in known and item.path not in current
    }
    table.lake.delete_objects(branch, stale)
    return set(stale.values())


def _path(table: Table, part: Part) -> str:
    return f"{table.prefix(part.day)}part-{part.number}.parquet"


def _checksum(sent: Iterable[Part]) -> str:
    """Return a fingerprint of the source's rows."""
    lines = "".join(f"{part.day} {part.sha256}\n" for part in sent)
    return hashlib.sha256(lines.encode()).hexdigest()


def _has_content(stored: LakeObject, file: Path) -> bool:
    """Return whether a stored object has a file's content; lakeFS states the MD5 of an upload."""
    if stored.size != file.stat().st_size:
        return False
    with file.open("rb") as content:
        return stored.checksum == hashlib.file_digest(content, "md5").hexdigest()
