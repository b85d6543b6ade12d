"""Export: bring a Delta Lake table up to the lake's branch, a version for each commit that changed the table.

What is still to be written follows from two logs alone, that of the branch and that of the Delta Lake table:
whatever was killed, or ran twice, the next try goes on after the last version that is there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

from include.concurrency import map_ordered
from include.contract.export_folders import place_of
from include.contract.pipeline import Pipeline
from include.contract.types import FIRST_DAY, LAST_DAY
from include.exceptions import Absent, BadData, Busy, Misconfigured
from include.excerpt import quote
from include.exports.delta_files import DeltaFiles
from include.exports.delta_log import ANEW, DeltaLog, Overtaken
from include.exports.delta_types import check_names, delta_schema, joined, without_null
from include.ingestion.held import held_types
from include.ingestion.type_names import type_name
from include.lake.table import Table
from include.lake.types import LakeObject
from include.record import Record
from include.run_identity import RunIdentity

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_OVERTAKEN = 5
_PARALLEL_READS = 8
_TOLD_EVERY = 50
"""Parts between two lines of the log while a version is written."""
_Parts = Mapping[date, list[LakeObject]]

log = logging.getLogger(__name__)


class ExportResult(Record):
    """What an export wrote: versions and rows; and the newest version, with the last commit that it holds."""

    versions: int
    version: int | None
    commit: str | None
    rows: int


def export(pipeline: Pipeline, table: Table, *, run: RunIdentity) -> ExportResult:
    """Write the commits of the branch that the Delta Lake table lacks, in their order.

    The first version is the newest commit. Raises Misconfigured if the pipeline exports nothing, or if the
    folder holds anything but this export, BadData if Delta Lake cannot hold a column, Busy if others keep
    writing.
    """
    if (delta := pipeline.exports.delta) is None:
        raise Misconfigured(
            f"pipeline {pipeline.name!r} exports nothing; set exports.delta, or delete the run"
        )
    _check_storage(delta.uri, table)
    exporter = _Exporter(pipeline, table, delta.uri, run)
    for _ in range(_MAX_OVERTAKEN):
        try:
            return exporter.catch_up()
        except Overtaken:
            log.info("somebody else has written to %s meanwhile: looking again", quote(delta.uri))
    raise Busy(
        f"{quote(delta.uri)} is being written by others; this export was overtaken {_MAX_OVERTAKEN} times"
    )


def _check_storage(uri: str, table: Table) -> None:
    """Raise Misconfigured for a folder in which the lake keeps the repository's objects."""
    namespace = table.lake.storage_namespace()
    if place_of(uri).overlaps(place_of(namespace)):
        raise Misconfigured(
            f"exports.delta.uri is {quote(uri)}, and the lake keeps the objects of {table.lake.repository!r} "
            f"in {quote(namespace)}; name a folder that nothing else writes to"
        )


class _Exporter:
    """One export: what it has written so far counts over all looks."""

    def __init__(self, pipeline: Pipeline, table: Table, uri: str, run: RunIdentity) -> None:
        self._pipeline, self._table, self._uri, self._run = pipeline, table, uri, run
        self._versions = self._rows = 0

    def catch_up(self) -> ExportResult:
        """Write what is missing now; raises Overtaken if another writer has made a version meanwhile."""
        delta = self._look()
        last = delta.commit()  # before the branch is: what was exported lies on it
        pending = self._pending(last)
        for number, commit in enumerate(pending, start=1):
            days = None if last is None else self._table.changed_days(last, commit)
            last = commit
            if days is None or days:
                log.info("commit %s: %d of %d to look at", commit, number, len(pending))
                with suppress(Overtaken):  # perhaps by this very version, whose answer got lost
                    self._write(delta, commit, days)
                delta = self._look()
                if delta.commit() != commit:
                    raise Overtaken
                self._versions += 1
        return ExportResult(
            versions=self._versions, version=delta.version, commit=delta.commit(), rows=self._rows
        )

    def _look(self) -> DeltaLog:
        lake = self._table.lake
        return DeltaLog.open(self._uri, (lake.repository, self._pipeline.lake.branch, self._table.name))

    def _pending(self, last: str | None) -> list[str]:
        """Return the commits of the branch after the last one that was exported, oldest first."""
        lake, branch = self._table.lake, self._pipeline.lake.branch
        head = lake.resolve(branch)
        if last is None:
            has_data = any(True for _ in self._table.days(head))
            return [head] if has_data else []
        found: list[str] = []
        if head == last:
            return found
        for commit in lake.log(head, first_parent=True):
            if commit.id == last:
                return found[::-1]
            found.append(commit.id)
        raise Misconfigured(
            f"{quote(self._uri)} holds commit {last}, which branch {branch!r} of {lake.repository!r} does "
            f"not have (any more); {ANEW}"
        )

    def _write(self, delta: DeltaLog, commit: str, days: set[date] | None) -> None:
        """Write the version of a commit that changed some days; None stands for all."""
        parts = self._parts(commit, days)
        types = _extended(delta.types(), self._types(commit, parts)) if days is not None else None
        if types is None:  # the first version, or a column got another type, which each row then has
            days, parts = None, self._parts(commit, None)
            types = {name: without_null(kind) for name, kind in self._types(commit, parts).items()}
        files = DeltaFiles(self._uri, delta.files, types)
        try:
            self._fill(files, commit, parts)
        except BaseException:
            files.remove()
            raise
        replaced = None if days is None else sorted(days)
        metadata = {**self._run.metadata(), "commit": commit, "pipeline": self._pipeline.name}
        delta.write(types, files.added, replaced=replaced, metadata=metadata)
        self._rows += files.rows
        log.info(
            "%s holds commit %s: %d partition(s) written, %d removed, %d rows in %d file(s)",
            quote(self._uri),
            commit,
            len(parts),
            len(set(replaced or ()) - parts.keys()),
            files.rows,
            len(files.added),
        )

    def _parts(self, commit: str, days: set[date] | None) -> _Parts:
        first, last = (FIRST_DAY, LAST_DAY) if days is None else (min(days), max(days))
        found = self._table.parts(commit, first, last)
        return {day: parts for day, parts in found.items() if days is None or day in days}

    def _types(self, commit: str, parts: _Parts) -> dict[str, pa.DataType]:
        """Return the types of the columns at a commit: those that the table keeps, and those of the parts.

        Raises BadData if parts disagree about a list or structure, of which no types are kept.
        """
        time, held = self._pipeline.source.partition_by, held_types(self._table, commit)
        found = delta_schema(held or (), time=time)
        kept = set() if held is None else set(held.names)
        for schema in map_ordered(
            lambda item: self._schema(commit, item), chain.from_iterable(parts.values()), _PARALLEL_READS
        ):
            others = [field for field in schema if field.name not in kept]
            for name, kind in delta_schema(others, time=time).items():
                both = joined(known := found.get(name, kind), kind)
                if both is None:
                    raise BadData(
                        f"column {quote(name)} of table {self._table.name!r} is {quote(type_name(known))} in "
                        f"some partitions and {quote(type_name(kind))} in others; give it one type in the "
                        "source, and ingest its days again"
                    )
                found[name] = both
        check_names(found)
        return found

    def _schema(self, commit: str, part: LakeObject) -> pa.Schema:
        with self._table.opened(commit, part) as file:
            return file.schema_arrow

    def _fill(self, files: DeltaFiles, commit: str, parts: _Parts) -> None:
        """Write the parts of the partitions, one after the other."""
        items = [(day, item) for day, of_day in parts.items() for item in of_day]
        for number, (day, item) in enumerate(items):
            if number and number % _TOLD_EVERY == 0:
                log.info("%d of %d parts are written, up to %s", number, len(items), day)
            try:
                files.add(self._table, commit, day, item)
            except Absent:
                raise BadData(
                    f"the lake has lost rows of commit {commit}, perhaps to its garbage collection; {ANEW}"
                ) from None


def _extended(
    held: Mapping[str, pa.DataType], wanted: Mapping[str, pa.DataType]
) -> dict[str, pa.DataType] | None:
    """Return the types of a table with new columns; None if one that it has would get another type."""
    import pyarrow as pa

    for name, kind in wanted.items():
        known = held.get(name, kind)
        both = joined(known, kind) if pa.types.is_nested(known) else kind
        if both != known:
            return None
    new = {name: without_null(kind) for name, kind in wanted.items() if name not in held}
    return {**held, **new}
