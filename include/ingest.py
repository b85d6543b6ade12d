"""Getting rows into the lake: load into a branch, check it there, or take it out of the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.identity import RunIdentity
from include.lake.client import Lake, LakeObject
from include.lake.table import Table
from include.sources import Partition, partitions
from include.spec import Pipeline
from include.tracking import Experiment, RunLog
from include.validation import Report, validate
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_PART = "part-0.parquet"
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

    One partition is in memory and on disk at a time. A partition whose content is on the branch already
    is not uploaded, so a second try, and a second run, writes only what is missing. Raises BadData if the
    source cannot be read.
    """
    stored = table.parts(branch, first, last)
    rows, filled, written, digest = 0, 0, 0, hashlib.sha256()
    with TemporaryDirectory(prefix="millrace-") as scratch:
        found = partitions(spec, first, last, folder=folder, scratch=Path(scratch), sql_url=sql_url)
        for part in found:
            written += _replace(table, branch, part, stored.get(part.day, []))
            rows, filled = rows + part.rows, filled + (part.rows > 0)
            digest.update(f"{part.day} {part.sha256}\n".encode())
    metadata = {
        **run.metadata(),
        "pipeline": spec.name,
        "partition": _label(first, last),
        "rows": str(rows),
        "source_checksum": digest.hexdigest(),
    }
    made = table.lake.save(branch, f"{run.dag_id}: load {metadata['partition']}", metadata)
    return Loaded(
        commit=made or table.lake.commit_of(branch),
        rows=rows,
        partitions=filled,
        written=written,
        source_checksum=digest.hexdigest(),
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
        tags={"millrace.commit": commit, "millrace.branch": branch, "millrace.by": run.key},
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


def _replace(table: Table, branch: str, part: Partition, stored: Sequence[LakeObject]) -> bool:
    """Make a partition hold exactly one file, or nothing; whether that changed it."""
    path = table.prefix(part.day) + _PART
    stale = [item for item in stored if part.file is None or item.path != path]
    for item in stale:
        table.lake.delete(branch, item.path)
    if part.file is None or any(item.path == path and _holds(item, part.file) for item in stored):
        return bool(stale)
    table.lake.upload(branch, path, part.file)
    return True


def _holds(stored: LakeObject, file: Path) -> bool:
    """Whether a stored object has a file's content. lakeFS states the MD5 of an upload as its checksum."""
    if stored.size != file.stat().st_size:
        return False
    with file.open("rb") as content:
        return stored.checksum == hashlib.file_digest(content, "md5").hexdigest()
