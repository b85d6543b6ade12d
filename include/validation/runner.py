"""Run a Great Expectations suite over rows, before readers see them.

A suite is a YAML file with two lists. `partitions` checks a table with one row for each day of the run
(columns `dt`, `rows`), so that row counts are enforced for every day of a range and empty days are caught.
`rows` checks the rows. Each entry has `type`, `kwargs`, and `severity`: `critical` (the default) makes
the verdict negative, `warning` and `info` are reported only.

Reports hold rules, columns and counts, never values of the data.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.validation.report import Check, Report
from include.validation.suite import read_suite
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_BATCH_ROWS = 250_000
"""Whole partitions are checked together up to about this many rows, which bounds memory."""


def validate(suite: Path, days: Iterator[tuple[date, pd.DataFrame | None]]) -> Report:
    """Check every day of a run, in order, and return the report; a day's frame is None if it has no rows.

    Raises Misconfigured, naming file and entry, if the suite itself is wrong.
    """
    import pandas as pd

    expectations = read_suite(suite)
    checks: list[Check] = []
    counts: list[dict[str, Any]] = []
    for batch_counts, frame in _batches(days):
        counts += batch_counts
        if frame is not None:
            checks += _run(frame, expectations["rows"], _COUNTS_ONLY)
    checks += _run(pd.DataFrame(counts, columns=["dt", "rows"]), expectations["partitions"], _WITH_DAYS)
    merged = _merged(checks)
    failed = [check for check in merged if not check.passed]
    critical = [check for check in failed if check.severity == "critical"]
    numbers = {
        "rows": float(sum(count["rows"] for count in counts)),
        "partitions": float(len(counts)),
        "expectations": float(len(merged)),
        "failed": float(len(failed)),
        "failed.critical": float(len(critical)),
    }
    reasons = tuple(check.sentence() for check in [*critical, *(c for c in failed if c not in critical)])
    return Report(Verdict(passed=not critical, reasons=reasons, numbers=numbers), tuple(merged))


def _batches(
    days: Iterator[tuple[date, pd.DataFrame | None]],
) -> Iterator[tuple[list[dict[str, Any]], pd.DataFrame | None]]:
    """Yield days in batches of at most about `_BATCH_ROWS` rows: their counts, and their rows in one frame.

    Only days with the same columns share a batch: a day that lacks one would be filled with nulls and pass.
    """
    import pandas as pd

    def together() -> pd.DataFrame | None:
        return pd.concat(frames, ignore_index=True) if frames else None

    counts: list[dict[str, Any]] = []
    frames: list[pd.DataFrame] = []
    for day, frame in days:
        unlike = frame is not None and bool(frames) and _kinds(frame) != _kinds(frames[0])
        if unlike or sum(map(len, frames)) >= _BATCH_ROWS:
            yield counts, together()
            counts, frames = [], []
        counts.append({"dt": day.isoformat(), "rows": 0 if frame is None else len(frame)})
        if frame is not None:
            frames.append(frame)
    if counts:
        yield counts, together()


def _kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Return columns with their kinds; numbers are one kind, as integers turn to floats beside a null."""
    return {str(name): "n" if kind.kind in "iuf" else kind.kind for name, kind in frame.dtypes.items()}


@cache
def _rows_as_batch() -> Any:
    """Return the batch definition that frames are given to; it is made once a process, as it takes 20 ms."""
    import great_expectations

    logging.getLogger("great_expectations._docs_decorators").setLevel(logging.CRITICAL)
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("run").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("whole")


# BASIC with no list of unexpected values: counts, and nothing of the data.
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
# The table of counts holds nothing of the data, so its days may be named.
_WITH_DAYS = {**_COUNTS_ONLY, "result_format": "COMPLETE", "unexpected_index_column_names": ["dt"]}


def _run(frame: pd.DataFrame, expectations: list[Any], result_format: dict[str, Any]) -> list[Check]:
    from great_expectations import ExpectationSuite

    suite = ExpectationSuite(name="suite", expectations=expectations)
    batch = _rows_as_batch().get_batch({"dataframe": frame})
    outcome = batch.validate(suite, result_format=result_format)
    return [_check(result) for result in outcome.results]


def _check(result: Any) -> Check:
    config, counts = result.expectation_config, result.result or {}
    columns = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list") or [])
    mismatched = (counts.get("details") or {}).get("mismatched") or {}
    named = "; ".join(f"{kind} {', '.join(map(str, names))}" for kind, names in sorted(mismatched.items()))
    return Check(
        type=config.type,
        columns=columns or named,
        rule=", ".join(
            f"{name}={value}" for name, value in sorted(config.kwargs.items()) if name not in _NOT_A_LIMIT
        ),
        severity=str(getattr(config.severity, "value", config.severity) or "critical"),
        passed=bool(result.success),
        unexpected=counts.get("unexpected_count"),
        rows=counts.get("element_count"),
        days=tuple(row["dt"] for row in (counts.get("unexpected_index_list") or [])[:_MAX_DAYS_NAMED]),
        error=_error(result.exception_info or {}),
    )


_NOT_A_LIMIT = {"batch_id", "column", "column_list"}
_MAX_DAYS_NAMED = 10


def _error(info: dict[str, Any]) -> str:
    """Return why an expectation could not run, as a known cause only: its message may quote values."""
    raised = [one for one in (info, *info.values()) if isinstance(one, dict) and one.get("raised_exception")]
    if not raised:
        return ""
    message = str(raised[0].get("exception_message"))
    if "does not exist" in message or "column not found" in message.lower():
        return "the column is missing"
    return "the column has another type than the rule needs"


def _merged(checks: list[Check]) -> list[Check]:
    """Return one check for each rule, over all batches."""
    by_rule: dict[tuple[str, str, str, str], list[Check]] = {}
    for check in checks:
        by_rule.setdefault((check.type, check.columns, check.rule, check.severity), []).append(check)
    return [_over_batches(checks) for checks in by_rule.values()]


def _over_batches(checks: list[Check]) -> Check:
    def total(name: str) -> int | None:
        counts = [getattr(check, name) for check in checks if getattr(check, name) is not None]
        return sum(counts) if counts else None

    worst = next((check for check in checks if not check.passed), checks[0])
    return replace(worst, unexpected=total("unexpected"), rows=total("rows"))
