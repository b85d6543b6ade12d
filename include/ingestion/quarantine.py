"""Quarantine: take bad data out of readers' way, and keep it with what a person needs to decide about it.

A quarantine is a branch of the lake. Its first commit beyond the data is the record: which days it is about,
which commit they were compared with, the rules that failed, and the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice

from include.contract.data import OnFailure
from include.excerpt import excerpt
from include.ingestion.day_ranges import written
from include.ingestion.ingestion import Ingestion
from include.ingestion.judged import judged_days
from include.ingestion.results import QuarantineResult
from include.lake.client import Commit, Lake
from include.lake.partitions import copy_days, parts_of
from include.validation.report import DayFault

PREFIX = "quarantine-"
"""Of the branches' names; names of branches cannot hold a slash on lakeFS."""
PIPELINE, TABLE, DAYS, BASE = "pipeline", "quarantine.table", "quarantine.days", "quarantine.base"
REPORT, LOADED = "quarantine.report", "quarantine.loaded"
"""Keys of a record's metadata. The report is empty if the rows could not be read."""
_REASONS_OF = "quarantine.reasons."
MESSAGE = "quarantined: "
_MAX_MESSAGE = 1000
_MAX_REASONS_OF_DAY = 500
_MAX_DAYS_WITH_REASONS = 100
_MAX_COMMITS = 50
"""Commits of a quarantine in which its record is looked for; those on top of it are decisions."""


def quarantine(ingestion: Ingestion, *, reasons: Sequence[str], report: str = "") -> QuarantineResult:
    """Remove a branch with bad data, and keep it under another name where the contract says so.

    `report` is the page of the report; without one the rows could not be read, and nobody can accept them.
    """
    lake, branch = ingestion.table.lake, ingestion.branch
    kept = _kept_name(ingestion)
    if kept and lake.ref_exists(branch):
        head, base = lake.resolve(branch), lake.merge_base(branch, ingestion.into)
        metadata = _metadata(ingestion, judged_days(ingestion, head, base), base, head, report)
        message = f"{MESSAGE}{'; '.join(reasons)[:_MAX_MESSAGE]}"
        lake.commit(branch, message, metadata, allow_empty=True)
        lake.delete_branch(kept)  # of a run that was cleared and failed again: the latest counts
        lake.create_branch(kept, branch)
    lake.delete_branch(branch)
    return QuarantineResult(branch=kept, reasons=tuple(reasons))


def set_aside(
    ingestion: Ingestion, bad: Mapping[date, DayFault], *, loaded: str, base: str, report: str
) -> str | None:
    """Give the bad days of a branch the rows that they have in `base`; return the quarantine that keeps them.

    `loaded` is the commit with the rows of the source. May be killed at any line and run again.
    """
    lake, branch = ingestion.table.lake, ingestion.branch
    kept = _kept_name(ingestion)
    if kept:
        metadata = _metadata(ingestion, bad, base, loaded, report)
        for day, fault in islice(bad.items(), _MAX_DAYS_WITH_REASONS):
            metadata[f"{_REASONS_OF}{day}"] = excerpt("; ".join(fault.reasons), _MAX_REASONS_OF_DAY)
        reasons = (f"{day}: {'; '.join(fault.reasons)}" for day, fault in bad.items())
        _keep(lake, kept, loaded, f"{MESSAGE}{'; '.join(reasons)[:_MAX_MESSAGE]}", metadata)
    copy_days(ingestion.table, branch, bad.keys(), base)
    _forget_columns(ingestion, bad, loaded, base)
    metadata = {**ingestion.run.metadata(), PIPELINE: ingestion.pipeline.name}
    lake.commit(branch, f"{ingestion.run.dag_id}: leave out {written(bad)}", metadata)
    return kept


def put_back(ingestion: Ingestion, loaded: str) -> None:
    """Give the branch the days and columns of a commit again, of which an earlier try has set some aside."""
    table, branch = ingestion.table, ingestion.branch
    copy_days(table, branch, ingestion.days, loaded)
    schema = table.schema(loaded)
    if schema is not None and schema != table.schema(branch):
        table.write_schema(branch, schema)
    metadata = {**ingestion.run.metadata(), PIPELINE: ingestion.pipeline.name}
    table.lake.commit(branch, f"{ingestion.run.dag_id}: judge all days again", metadata)


def find_record(commits: Iterable[Commit]) -> Commit | None:
    """Return the record of a quarantine among its commits, newest first; None if it has none."""
    return next((commit for commit in islice(commits, _MAX_COMMITS) if DAYS in commit.metadata), None)


def _kept_name(ingestion: Ingestion) -> str | None:
    keeps = ingestion.pipeline.validation.on_failure is OnFailure.QUARANTINE
    return f"{PREFIX}{ingestion.branch.removeprefix('ingest-')}" if keeps else None


def _metadata(
    ingestion: Ingestion, days: Iterable[date], base: str, loaded: str, report: str
) -> dict[str, str]:
    return {
        **ingestion.run.metadata(),
        PIPELINE: ingestion.pipeline.name,
        TABLE: ingestion.table.name,
        DAYS: written(days),
        BASE: base,
        LOADED: loaded,
        REPORT: report,
    }


def _keep(lake: Lake, kept: str, loaded: str, message: str, metadata: dict[str, str]) -> None:
    """Keep a commit as a quarantine, unless an earlier try has."""
    if lake.ref_exists(kept):
        record = find_record(lake.log(kept))
        if record and all(record.metadata.get(key) == metadata[key] for key in (LOADED, DAYS)):
            return
        lake.delete_branch(kept)  # of a run that was cleared and failed again, or of a try that was killed
    lake.create_branch(kept, loaded)
    lake.commit(kept, message, metadata, allow_empty=True)


def _forget_columns(ingestion: Ingestion, bad: Mapping[date, DayFault], loaded: str, base: str) -> None:
    """Keep no types of columns that only the bad days have."""
    import pyarrow as pa

    table = ingestion.table
    ours, theirs = table.schema(loaded), table.schema(base)
    known = {*ingestion.feed.columns, *(theirs.names if theirs else ())}
    if ours is None or set(ours.names) <= known:
        return
    good = {day for day in ingestion.days if day not in bad}
    for items in parts_of(table, loaded, good).values():
        if set(ours.names) <= known:
            break
        with table.opened(loaded, items[0]) as file:
            known.update(file.schema_arrow.names)
    kept = [field for field in ours if field.name in known]
    if kept and len(kept) < len(ours):
        table.write_schema(ingestion.branch, pa.schema(kept))
    elif not kept:
        table.lake.delete_object(ingestion.branch, table.schema_path)
