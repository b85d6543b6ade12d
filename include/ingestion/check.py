"""Check: run the pipeline's suite on what an ingest branch holds, and keep the report in MLflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from include.contract.data import OnFailure
from include.contract.feed import Feed
from include.exceptions import BadData
from include.excerpt import excerpt
from include.ingestion.day_ranges import written
from include.ingestion.ingestion import Ingestion
from include.ingestion.judged import judged_days
from include.ingestion.quarantine import put_back, set_aside
from include.ingestion.results import ValidationResult
from include.lake.client import Lake
from include.lake.frames import to_frame
from include.lake.table import Table
from include.tracking.names import Artifact
from include.tracking.runs import Experiment, RunLog
from include.tracking.tags import Tag
from include.validation.implied import implied
from include.validation.report import DayFault, Report
from include.validation.runner import bad_days, validate
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_MAX_NAMED = 10
_MAX_DAYS = 300
"""Characters of days that a message names."""
_NONE_FAILS = "none fails by itself, so a rule of several days, such as uniqueness, fails for all together"
_ALL_FAIL = "each one fails by itself"

log = logging.getLogger(__name__)


def check(
    ingestion: Ingestion, validations: Experiment, *, loaded: str = "", base: str = ""
) -> ValidationResult:
    """Run the pipeline's suite, and what its contract implies, on the ingestion's days.

    They are as the branch's last commit holds them. Verdict and report go to one MLflow run for each commit
    that was checked. Where the contract publishes good days alone, they are as the commit `loaded` holds
    them, and the bad ones are set aside: the branch then holds what `base`, the commit that it began with,
    has of them.

    Raises Misconfigured if the suite is wrong, BadData if a part of the table is unreadable.
    """
    lake, leaves_out = ingestion.table.lake, ingestion.pipeline.validation.leaves_out
    commit = lake.resolve(ingestion.branch)
    if leaves_out and loaded and commit != loaded:  # an earlier try has set days aside
        put_back(ingestion, loaded)
        commit = loaded
    base = base or lake.merge_base(ingestion.branch, ingestion.into)
    days = judged_days(ingestion, commit, base)
    report = report_on(ingestion, commit, days)
    if leaves_out and not report.verdict.passed:
        report = replace(report, bad_days=find_bad_days(ingestion, commit, days, report))
    link, bad = store(report, validations, ingestion, commit), report.bad_days
    return ValidationResult(
        **report.verdict.to_json(),
        link=link,
        left_out=written(bad),
        left_out_rows=sum(fault.rows for fault in bad.values()),
        quarantine=set_aside(ingestion, bad, loaded=commit, base=base, report=link) if bad else None,
    )


def require(result: ValidationResult, ingestion: Ingestion) -> None:
    """Raise BadData that names the failed rules, unless the pipeline only warns, or left the bad days out."""
    if result.passed or result.left_out or ingestion.pipeline.validation.on_failure is OnFailure.WARN:
        return
    raise BadData(
        f"{len(result.reasons)} rule(s) failed on {ingestion.branch!r}: "
        f"{'; '.join(result.reasons[:_MAX_NAMED])}. Report: {result.link}"
    )


def require_all(result: ValidationResult, feed: Feed, lake: Lake) -> None:
    """Raise BadData that names days which were left out, unless a person has decided about them since."""
    kept = result.quarantine
    if not result.left_out or (kept and not lake.ref_exists(kept)):
        return
    where = f"they are kept in {kept!r}: accept or discard them by {feed.decided_by}, or " if kept else ""
    raise BadData(
        f"the other days are published without {excerpt(result.left_out, _MAX_DAYS)}; {where}correct the "
        f"source, then clear `open_branch` with everything downstream. {len(result.reasons)} rule(s) failed: "
        f"{'; '.join(result.reasons[:_MAX_NAMED])}. Report: {result.link}"
    )


def report_on(ingestion: Ingestion, commit: str, days: Sequence[date]) -> Report:
    """Return the report of the suite, and of what the contract implies, on days at a commit.

    Without a day there is nothing that could break a rule, not even one that counts days.
    """
    if not days:
        numbers = dict.fromkeys(("rows", "partitions", "expectations", "failed"), 0.0)
        return Report(Verdict(passed=True, numbers=numbers), ())
    feed = ingestion.feed
    return validate(
        ingestion.suite, every_day(ingestion.table, commit, days), lambda rows: implied(rows, feed)
    )


def find_bad_days(
    ingestion: Ingestion, commit: str, days: Sequence[date], report: Report
) -> dict[date, DayFault]:
    """Return the days without which the others pass together; none if there are no such days.

    A day is bad if it breaks, by itself, a rule that all of them break. What is left is judged anew, so that
    nothing is published that fails as a whole.
    """
    bad: dict[date, DayFault] = {}
    left, feed = days, ingestion.feed
    while not report.verdict.passed:
        found = bad_days(
            ingestion.suite,
            every_day(ingestion.table, commit, left),
            report,
            lambda rows: implied(rows, feed),
        )
        bad |= found
        left = [day for day in left if day not in found]
        if not found or not left:
            log.warning("no day is left out: %s", _ALL_FAIL if found else _NONE_FAILS)
            return {}
        report = report_on(ingestion, commit, left)
    for day, fault in sorted(bad.items())[:_MAX_NAMED]:
        log.warning("%s is left out: %s", day, "; ".join(fault.reasons))
    return dict(sorted(bad.items()))


def every_day(table: Table, commit: str, days: Sequence[date]) -> Iterator[tuple[date, pd.DataFrame | None]]:
    """Yield each of some days, in order, with its rows, None if it has none; one is in memory at a time."""
    if not days:
        return
    expected = iter(days)
    for found, rows in table.partitions(commit, days[0], days[-1], only=set(days)):
        for day in expected:
            if day == found:
                yield day, to_frame(rows)
                break
            yield day, None
    for day in expected:
        yield day, None


def store(report: Report, validations: Experiment, ingestion: Ingestion, commit: str) -> str:
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
