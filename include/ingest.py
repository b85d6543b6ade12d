"""Getting rows into the lake: load into a branch, check it there, or take it out of the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.ahead import ahead
from include.identity import RunIdentity
from include.lake.client import Lake, LakeObject
from include.lake.table import Table
from include.sources import Part, parts
from include.spec import Pipeline
from include.tags import Tag
from include.tracking import Experiment, RunLog
from include.validation import Report, validate
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_PARALLEL_UPLOADS = 4
"""Parts on their way at once, and on disk."""
_REPORT = "validation.html"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What `load` put on the branch; `written` counts partitions whose content is new."""

    commit: str
    rows: int
    partitions: int
    written: int
    source_checksum: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the suite found on the branch; `link` is the page of the MLflow run that holds the details."""

    verdict: Verdict
    link: str

    def to_json(self) -> dict[str, Any]:
        return {**self.verdict.to_json(), "link": self.link}


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
) -> Loaded:
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
        "partition": _label(first, last),
        "rows": str(sum(part.rows for part, _ in sent)),
        "source_checksum": _checksum(part for part, _ in sent),
    }
    made = table.lake.save(branch, f"{run.dag_id}: load {metadata['partition']}", metadata)
    return Loaded(
        commit=made or table.lake.commit_of(branch),
        rows=int(metadata["rows"]),
        partitions=len({part.day for part, _ in sent if part.rows}),
        written=len(changed),
        source_checksum=metadata["source_checksum"],
    )


def check(
    spec: Pipeline,
    table: Table,
    branch: str,
    first: date,
    last: date,
    *,
    folder: Path,
    run: RunIdentity,
    tracking_uri: str,
) -> Checked:
    """Run the pipeline's suite on what the branch's commit holds from `first` to `last`.

    The verdict and its page go to one MLflow run for each commit that was checked. Raises Misconfigured if
    the suite is wrong, BadData if a part of the table is unreadable.
    """
    commit = table.lake.commit_of(branch)
    found = validate(folder / spec.validation.suite, _every_day(table, commit, first, last))
    link = _keep(
        found,
        Experiment(tracking_uri, f"{spec.name}.ingest"),
        f"{run.key}/validate/{commit}",
        name=_label(first, last),
        tags={Tag.COMMIT: commit, Tag.BRANCH: branch, Tag.BY: run.key},
    )
    return Checked(verdict=found.verdict, link=link)


def quarantine(
    lake: Lake, branch: str, *, reasons: Sequence[str], run: RunIdentity, keep: bool
) -> str | None:
    """Take a branch with bad data out of the way; the name it is kept under, or None.

    The kept branch ends in a commit that names the reasons. (Names of branches cannot hold a slash on
    lakeFS, so `quarantine-` is a prefix of the name.)
    """
    kept = f"quarantine-{branch.removeprefix('ingest-')}" if keep else None
    if kept and lake.exists(branch):
        message = "quarantined: " + "; ".join(reasons)[:1000]
        lake.save(branch, message, run.metadata(), allow_empty=True)
        lake.delete_branch(kept)  # of a run that was cleared and failed again: the latest counts
        lake.create_branch(kept, branch)
    lake.delete_branch(branch)
    return kept


def _label(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first}_{last}"


def _every_day(
    table: Table, commit: str, first: date, last: date
) -> Iterator[tuple[date, pd.DataFrame | None]]:
    """Each day with its rows, one day in memory at a time; None for a day that has none."""
    for day, rows in table.partitions(commit, first, last):
        while first < day:
            yield first, None
            first += timedelta(days=1)
        yield day, rows.to_pandas()
        first += timedelta(days=1)
    while first <= last:
        yield first, None
        first += timedelta(days=1)


def _keep(found: Report, experiment: Experiment, key: str, *, name: str, tags: dict[str, str]) -> str:
    """Write a report to the MLflow run that has this key; the address of its page.

    A finished one is written again: the suite may have been mended since.
    """
    title, done = f"{experiment.name} {name}", experiment.finished(key)
    if done is not None:
        kept = experiment.log(done.info.run_id)
        _write(found, kept, title)
        return kept.link(_REPORT)
    with experiment.start(key, name=name, tags=tags) as kept:
        _write(found, kept, title)
    return kept.link(_REPORT)


def _write(found: Report, log: RunLog, title: str) -> None:
    log.metrics(found.verdict.numbers)
    log.text(found.html(title), _REPORT)
    log.json(found.verdict.to_json(), "verdict.json")


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

    return list(ahead(send, found, _PARALLEL_UPLOADS))


def _remove_others(
    table: Table, branch: str, sent: Sequence[tuple[Part, bool]], stored: dict[date, list[LakeObject]]
) -> set[date]:
    """Take away what a partition held before and holds no more; the days of which this is so."""
    kept = {_path(table, part) for part, _ in sent if part.file}
    stale = {item.path: day for day, items in stored.items() for item in items if item.path not in kept}
    table.lake.delete_many(branch, stale)
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
