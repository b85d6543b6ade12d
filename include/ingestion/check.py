"""Check: run the pipeline's suite on what an ingest branch holds, and keep the report in MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.contract.data import OnFailure
from include.exceptions import BadData
from include.ingestion.ingestion import Ingestion
from include.ingestion.results import ValidationResult
from include.lake.frames import to_frame
from include.lake.table import Table
from include.tracking.names import Artifact
from include.tracking.runs import Experiment, RunLog
from include.tracking.tags import Tag
from include.validation.implied import implied
from include.validation.report import Report
from include.validation.runner import validate

if TYPE_CHECKING:
    import pandas as pd

_MAX_NAMED = 10


def check(ingestion: Ingestion, validations: Experiment) -> ValidationResult:
    """Run the pipeline's suite, and what its contract implies, on the ingestion's days.

    They are as the branch's last commit holds them. Verdict and report go to one MLflow run for each commit
    that was checked. Raises Misconfigured if the suite is wrong, BadData if a part of the table is
    unreadable.
    """
    table = ingestion.table
    commit = table.lake.resolve(ingestion.branch)
    feed = ingestion.feed
    suite = ingestion.folder / feed.suite if feed.suite else None
    days = every_day(table, commit, ingestion.first, ingestion.last)
    report = validate(suite, days, lambda rows: implied(rows, feed))
    link = _store(report, validations, ingestion, commit)
    return ValidationResult(**report.verdict.to_json(), link=link)


def require(result: ValidationResult, ingestion: Ingestion) -> None:
    """Raise BadData that names the failed rules, unless the pipeline only warns of them."""
    if result.passed or ingestion.pipeline.validation.on_failure is OnFailure.WARN:
        return
    raise BadData(
        f"{len(result.reasons)} rule(s) failed on {ingestion.branch!r}: "
        f"{'; '.join(result.reasons[:_MAX_NAMED])}. Report: {result.link}"
    )


def every_day(
    table: Table, commit: str, first: date, last: date
) -> Iterator[tuple[date, pd.DataFrame | None]]:
    """Yield each day with its rows, one day in memory at a time; None for a day that has none."""
    for day, rows in table.partitions(commit, first, last):
        while first < day:
            yield first, None
            first += timedelta(days=1)
        yield day, to_frame(rows)
        first += timedelta(days=1)
    while first <= last:
        yield first, None
        first += timedelta(days=1)


def _store(report: Report, validations: Experiment, ingestion: Ingestion, commit: str) -> str:
    """Write a report to the MLflow run of the commit that was checked; return the URL of its page.

    A finished run is written again: the suite may have been corrected since.
    """
    key = f"{ingestion.run.key}/validate/{commit}"
    title, attempts = f"{validations.name} {ingestion.label}", validations.attempts(key)
    if (finished := attempts.finished) is not None:
        _write(report, finished, title)
        return finished.link(Artifact.VALIDATION_REPORT)
    tags: dict[str, str] = {
        Tag.COMMIT: commit,
        Tag.BRANCH: ingestion.branch,
        Tag.BY: ingestion.run.key,
        Tag.TRY: str(ingestion.run.try_number),
    }
    with attempts.start(name=ingestion.label, tags=tags) as run_log:
        _write(report, run_log, title)
    return run_log.link(Artifact.VALIDATION_REPORT)


def _write(report: Report, run_log: RunLog, title: str) -> None:
    run_log.log_metrics(report.verdict.numbers)
    run_log.log_text(report.html(title), Artifact.VALIDATION_REPORT)
    run_log.log_json(report.verdict.to_json(), Artifact.VERDICT)
