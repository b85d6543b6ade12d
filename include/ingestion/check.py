"""Check what an ingest branch holds, and keep the report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include.contract.pipeline import Pipeline
from include.ingestion.load import label
from include.ingestion.results import ValidationResult
from include.lake.table import Table
from include.run_identity import RunIdentity
from include.tracking.runs import Experiment, RunLog
from include.tracking.tags import Tag
from include.validation.report import Report
from include.validation.runner import validate

if TYPE_CHECKING:
    import pandas as pd


_REPORT = "validation.html"


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
) -> ValidationResult:
    """Run the pipeline's suite on what the branch's commit holds from `first` to `last`.

    The verdict and its page go to one MLflow run for each commit that was checked. Raises Misconfigured if
    the suite is wrong, BadData if a part of the table is unreadable.
    """
    commit = table.lake.resolve(branch)
    found = validate(folder / spec.validation.suite, every_day(table, commit, first, last))
    link = _keep(
        found,
        Experiment(tracking_uri, f"{spec.name}.ingest"),
        f"{run.key}/validate/{commit}",
        name=label(first, last),
        tags={Tag.COMMIT: commit, Tag.BRANCH: branch, Tag.BY: run.key},
    )
    return ValidationResult(verdict=found.verdict, link=link)


def every_day(
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
