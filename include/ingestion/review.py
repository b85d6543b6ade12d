"""Review: prepare quarantined days for readers, as they are, and report the rules that they fail."""

from __future__ import annotations

from include.contract import loader
from include.exceptions import BadData, Conflict
from include.excerpt import excerpt, quote
from include.ingestion.check import report_on, store
from include.ingestion.columns import TableColumns
from include.ingestion.day_ranges import written
from include.ingestion.hashing import Mark, described
from include.ingestion.ingestion import Ingestion
from include.ingestion.quarantined import Quarantined
from include.lake.partitions import Parts, copy_days, differing, parts_of
from include.tracking.runs import Experiment
from include.validation.report import Report
from include.verdict import Verdict

_MAX_NAMED = 10
_AGAIN = "discard the quarantine, and ingest these days again"


class Review(Verdict):
    """The verdict on days that are to be accepted; `link` is the page of the report.

    `days` are published, those `without_rows` stay as readers see them; both as `day_ranges` writes them.
    """

    link: str
    days: str
    without_rows: str
    rows: int


def review(ingestion: Ingestion, quarantined: Quarantined, validations: Experiment) -> Review:
    """Bring the quarantined days to the ingestion's branch, which begins anew, and run the suite on them.

    The verdict decides nothing. What no person can accept is refused: BadData for rows that could not be
    read, or lack what the contract itself needs, and where there are none; Conflict if the days have been
    published with other rows since, or the columns have other types by now. Then the branch is removed.
    """
    try:
        return _reviewed(ingestion, quarantined, validations)
    except (BadData, Conflict):
        ingestion.table.lake.delete_branch(ingestion.branch)
        raise


def _reviewed(ingestion: Ingestion, quarantined: Quarantined, validations: Experiment) -> Review:
    table, lake, branch = ingestion.table, ingestion.table.lake, ingestion.branch
    table.check_writer(ingestion.into, ingestion.pipeline.name, loader.names(ingestion.folder.parent))
    kept = parts_of(table, quarantined.commit, set(quarantined.all_days))
    _check_readable(quarantined, kept)
    lake.delete_branch(branch)
    head = lake.create_branch(branch, ingestion.into)
    _check_columns(ingestion, quarantined, kept, head)
    _check_unpublished(ingestion, quarantined, kept, head)
    copy_days(table, branch, kept.keys(), quarantined.commit)
    _add_columns(ingestion, quarantined, head)
    days = written(kept)
    metadata = {**ingestion.run.metadata(), "pipeline": ingestion.pipeline.name, "partition": days}
    commit = lake.commit(branch, f"{ingestion.run.dag_id}: take {days} as they are", metadata) or head
    report = report_on(ingestion, commit, sorted(kept))
    link = store(report, validations, ingestion, commit)
    _check_needs(quarantined, report, link)
    return Review(
        **report.verdict.to_json(),
        link=link,
        days=days,
        without_rows=written(set(quarantined.all_days) - kept.keys()),
        rows=int(report.verdict.numbers["rows"]),
    )


def _check_readable(quarantined: Quarantined, kept: Parts) -> None:
    if not quarantined.report:
        raise BadData(
            f"{quarantined.branch!r} cannot be accepted: its rows could not be read "
            f"({excerpt(quarantined.reasons)}); correct the source, {_AGAIN}"
        )
    if not kept:
        raise BadData(
            f"{quarantined.branch!r} cannot be accepted: it has no rows of {excerpt(quarantined.days)}; "
            "ingest these days again once the source has them, or name them in source.skip_days if it never "
            "will, and discard the quarantine"
        )


def _check_unpublished(ingestion: Ingestion, quarantined: Quarantined, kept: Parts, head: str) -> None:
    """Raise Conflict for days whose rows for readers have changed, to others than the quarantined ones."""
    published, former = (
        parts_of(ingestion.table, ref, kept.keys()) for ref in (head, quarantined.base)
    )  # fmt: skip
    if other := differing(published, kept) & differing(published, former):
        raise Conflict(
            f"{len(other)} day(s) of {quarantined.branch!r} have been published with other rows since: "
            f"{excerpt(written(other))}; readers see newer rows, so discard the quarantine, or {_AGAIN}"
        )


def _check_columns(ingestion: Ingestion, quarantined: Quarantined, kept: Parts, head: str) -> None:
    """Raise Conflict if the quarantined rows have other columns than contract and table say by now."""
    feed, table = ingestion.feed, ingestion.table
    ours, theirs = table.schema(quarantined.commit), table.schema(head)
    columns = TableColumns(feed, held=theirs, hasher=ingestion.hasher)
    known = {*feed.columns, *feed.hashed, *(theirs.names if theirs else ())}
    for field in ours or ():
        now = columns.field(field.name) if field.name in known else field
        if now.type != field.type or Mark.of(now) != Mark.of(field):
            raise _changed(quarantined, field.name, f"is {described(field)}, and by now {described(now)}")
    for day, items in kept.items():
        with table.opened(quarantined.commit, items[0]) as file:
            names = set(file.schema_arrow.names)
        if dropped := sorted(names & set(feed.dropped)):
            raise _changed(quarantined, dropped[0], "is dropped by privacy.drop by now")
        begun = (name for name, column in feed.columns.items() if (column.since or day) <= day)
        if missing := [name for name in begun if name not in names]:
            raise _changed(quarantined, missing[0], f"is missing on {day}, and the contract declares it")


def _changed(quarantined: Quarantined, name: str, what: str) -> Conflict:
    return Conflict(f"column {quote(name)} of {quarantined.branch!r} {what}; {_AGAIN}")


def _add_columns(ingestion: Ingestion, quarantined: Quarantined, head: str) -> None:
    """Keep the types of columns that are new to the table."""
    import pyarrow as pa

    table = ingestion.table
    ours, theirs = table.schema(quarantined.commit), table.schema(head)
    known = theirs.names if theirs else []
    if new := [field for field in ours or () if field.name not in known]:
        table.write_schema(ingestion.branch, pa.schema([*(theirs or ()), *new]))


def _check_needs(quarantined: Quarantined, report: Report, link: str) -> None:
    """Raise BadData for what the contract itself needs: every later step would fail otherwise."""
    if faults := [check.sentence() for check in report.checks if check.is_implied and not check.passed]:
        raise BadData(
            f"{quarantined.branch!r} cannot be accepted: the contract needs what the rows lack: "
            f"{'; '.join(faults[:_MAX_NAMED])}; correct the contract or the source. Report: {link}"
        )
