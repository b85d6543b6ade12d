"""Run a Great Expectations suite over rows, before readers see them.

A suite is a YAML file with two lists. `partitions` checks a table with one row for each day of the run
(columns `dt`, `rows`), so that row counts are enforced for every day of a range and empty days are caught.
`rows` checks the rows. Each entry has `type`, `kwargs`, and `severity`: `critical` (the default) makes
the verdict negative, `warning` and `info` are reported only.

Reports hold rules, columns and counts, never values of the data.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contract.suite import PARTS
from include.exceptions import Misconfigured
from include.excerpt import quote
from include.lake.frames import concat, kinds
from include.validation.report import Check, DayFault, Report
from include.validation.suite import read_suite
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_BATCH_ROWS = 250_000
"""Whole partitions are checked together up to about this many rows, which bounds memory."""


def validate(
    suite: Path | None,
    days: Iterator[tuple[date, pd.DataFrame | None]],
    implied: Callable[[pd.DataFrame], list[Check]] = lambda _: [],
) -> Report:
    """Check every day of a run, in order, and return the report; a day's frame is None if it has no rows.

    `implied` returns the outcome of further checks of a day's rows; there may be nothing but these.
    Raises Misconfigured, naming file and entry, if the suite itself is wrong.
    """
    return _judge(_expectations(suite), suite, days, implied)


def bad_days(
    suite: Path | None,
    days: Iterator[tuple[date, pd.DataFrame | None]],
    report: Report,
    implied: Callable[[pd.DataFrame], list[Check]] = lambda _: [],
) -> dict[date, DayFault]:
    """Return the days that break, each by itself, a critical rule that the run of a report breaks.

    A rule of several rows, such as a mean or uniqueness, is applied to the rows of the day, and one of
    `partitions` to a table of that day alone. Rules that the run meets are not looked at: those that need
    several days would fail for each one.
    """
    broken = {check.key for check in report.checks if check.is_critical_fault}
    expectations = {
        part: [rule for rule in rules if _key(rule.configuration) in broken]
        for part, rules in _expectations(suite).items()
    }

    def of_broken(frame: pd.DataFrame) -> list[Check]:
        return [check for check in implied(frame) if check.key in broken]

    found: dict[date, DayFault] = {}
    for day, frame in days:
        alone = _judge(expectations, suite, iter([(day, frame)]), of_broken).verdict
        if not alone.passed:
            found[day] = DayFault(0 if frame is None else len(frame), alone.reasons)
    return found


def _expectations(suite: Path | None) -> dict[str, list[Any]]:
    """Return the rules of a suite by what they are about; none where there is no suite."""
    return read_suite(suite) if suite else {part: [] for part in PARTS}


def _judge(
    expectations: dict[str, list[Any]],
    suite: Path | None,
    days: Iterator[tuple[date, pd.DataFrame | None]],
    implied: Callable[[pd.DataFrame], list[Check]],
) -> Report:
    import pandas as pd

    checks: list[Check] = []
    own: list[Check] = []
    counts: list[dict[str, Any]] = []

    def looked_at() -> Iterator[tuple[date, pd.DataFrame | None]]:
        for day, frame in days:
            own.extend([] if frame is None else implied(frame))
            yield day, frame

    for batch_counts, frame in _batches(looked_at()):
        counts += batch_counts
        if frame is not None:
            checks += _run(frame, expectations["rows"], _COUNTS_ONLY, f"{suite}: rows")
    checks += own
    days_with_counts = pd.DataFrame(counts, columns=["dt", "rows"])
    checks += _run(days_with_counts, expectations["partitions"], _WITH_DAYS, f"{suite}: partitions")
    merged = _merged(checks)
    failed = [check for check in merged if not check.passed]
    critical = [check for check in failed if check.is_critical_fault]
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

    Only days with the same columns share a batch: a day that lacks one would be filled with nulls and pass,
    and one with another type would change it.
    """

    def together() -> pd.DataFrame | None:
        return concat(frames) if frames else None

    counts: list[dict[str, Any]] = []
    frames: list[pd.DataFrame] = []
    for day, frame in days:
        unlike = frame is not None and bool(frames) and kinds(frame) != kinds(frames[0])
        if unlike or sum(map(len, frames)) >= _BATCH_ROWS:
            yield counts, together()
            counts, frames = [], []
        counts.append({"dt": day.isoformat(), "rows": 0 if frame is None else len(frame)})
        if frame is not None:
            frames.append(frame)
    if counts:
        yield counts, together()


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


def _run(
    frame: pd.DataFrame, expectations: list[Any], result_format: dict[str, Any], place: str
) -> list[Check]:
    """Return the outcome of each expectation; raises Misconfigured, naming `place` and entry."""
    try:
        results = _results(frame, expectations, result_format)
    except (MemoryError, OSError):  # of this machine
        raise
    except Exception:  # noqa: BLE001 - Great Expectations has no common class for what it refuses
        raise _refused(frame, expectations, result_format, place) from None
    return [_check(result, place) for result in results]


_NEED_FLOATS = {"expect_column_kl_divergence_to_be_less_than", "expect_multicolumn_sum_to_equal"}
"""Rules that fail on pandas' missing whole numbers ("boolean value of NA is ambiguous"). Drop once Great
Expectations (1.24) takes these."""


def _results(frame: pd.DataFrame, expectations: list[Any], result_format: dict[str, Any]) -> list[Any]:
    by_floats: dict[frozenset[str], list[Any]] = {}
    for rule in expectations:
        by_floats.setdefault(_floats_of(rule, frame), []).append(rule)
    return [
        result
        for names, rules in by_floats.items()
        for result in _results_on(_with_floats(frame, names), rules, result_format)
    ]


def _floats_of(rule: Any, frame: pd.DataFrame) -> frozenset[str]:
    """Return the columns that a rule takes as floats, of those that hold missing values as pandas' NA.

    A row_condition selects other rows where a column has NA: `terminal != 1` leaves a row without a terminal
    out, and the rule would guard less (findings/gx-condition-on-nulls.sh).
    """
    import pandas as pd

    numbers = [
        str(name)
        for name, kind in frame.dtypes.items()
        if pd.api.types.is_extension_array_dtype(kind) and kind.kind in "biu"
    ]
    if rule.configuration.type in _NEED_FLOATS:
        return frozenset(numbers)
    condition = str(rule.configuration.kwargs.get("row_condition") or "")
    return frozenset(name for name in numbers if name in condition)


def _results_on(frame: pd.DataFrame, expectations: list[Any], result_format: dict[str, Any]) -> list[Any]:
    from great_expectations import ExpectationSuite

    suite = ExpectationSuite(name="suite", expectations=expectations)
    batch = _rows_as_batch().get_batch({"dataframe": frame})
    return list(batch.validate(suite, result_format=result_format).results)


def _with_floats(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(names, "float64")) if names else frame


def _refused(
    frame: pd.DataFrame, expectations: list[Any], result_format: dict[str, Any], place: str
) -> Misconfigured:
    """Return the error for the first entry that Great Expectations fails on when it is run alone."""
    for expectation in expectations:
        try:
            _results(frame, [expectation], result_format)
        except Exception as error:  # noqa: BLE001 - as above; its message may quote rows
            entry = _entry(expectation.configuration)
            return Misconfigured(
                f"{place}: {entry}: Great Expectations fails with {type(error).__name__}; correct the "
                "entry's kwargs"
            )
    return Misconfigured(
        f"{place}: Great Expectations cannot run these entries together; look for repeated ones"
    )


def _entry(config: Any) -> str:
    kwargs = {name: value for name, value in config.kwargs.items() if name != "batch_id"}
    return quote({"type": config.type, "kwargs": kwargs})


def _check(result: Any, place: str) -> Check:
    config, counts = result.expectation_config, result.result or {}
    if remedy := _fault_of_suite(result.exception_info or {}):
        raise Misconfigured(f"{place}: {_entry(config)} {remedy}")
    kind, columns, rule, severity = _key(config)
    return Check(
        type=kind,
        columns=columns,
        rule=rule,
        severity=severity,
        mismatched="" if columns else _mismatched(counts),
        passed=bool(result.success),
        unexpected=counts.get("unexpected_count"),
        rows=counts.get("element_count"),
        days=tuple(row["dt"] for row in (counts.get("unexpected_index_list") or [])[:_MAX_DAYS_NAMED]),
        error=_error(result.exception_info or {}),
    )


def _key(config: Any) -> tuple[str, str, str, str]:
    """Return the `Check.key` of an entry."""
    kwargs = config.kwargs
    limits = (f"{name}={value}" for name, value in sorted(kwargs.items()) if name not in _NOT_A_LIMIT)
    return (
        config.type,
        kwargs.get("column") or ", ".join(map(str, kwargs.get("column_list") or [])),
        ", ".join(limits),
        str(getattr(config.severity, "value", config.severity) or "critical"),
    )


def _mismatched(counts: dict[str, Any]) -> str:
    """Return the columns that a table lacks, or has beyond the expected ones."""
    found = (counts.get("details") or {}).get("mismatched") or {}
    if not isinstance(found, dict):  # of ordered columns a list, with the place of each
        found = {"mismatched": [one.get("Expected") or one.get("Found") for one in found]}
    return "; ".join(f"{kind} {', '.join(map(str, names))}" for kind, names in sorted(found.items()))


_NOT_A_LIMIT = {"batch_id", "column", "column_list"}
_MAX_DAYS_NAMED = 10


_CAUSES = (
    ("does not exist|column not found", "the column is missing"),
    (
        "could not convert|to numeric|not supported between|must be of type|of the same type"
        "|unsupported operand|unhashable|expected string|expected str",
        "the column has another type than the rule needs",
    ),
)
_FAULTS_OF_SUITE = (
    (
        "No provider found|PandasExecutionEngine",
        "needs a database; rows are checked as frames: remove it",
    ),
    ("is not defined|invalid syntax|undefined variable", "has a wrong row_condition; correct it"),
)
"""Beginnings of what Great Expectations 1.24 says, whatever the rows hold."""


def _message(info: dict[str, Any]) -> str:
    raised = [one for one in (info, *info.values()) if isinstance(one, dict) and one.get("raised_exception")]
    return str(raised[0].get("exception_message")) if raised else ""


def _error(info: dict[str, Any]) -> str:
    """Return why an expectation could not run, as a known cause only: its message may quote values."""
    if not (message := _message(info)):
        return ""
    known = (cause for pattern, cause in _CAUSES if re.search(pattern, message, re.IGNORECASE))
    return next(known, "Great Expectations cannot apply the rule to this column")


def _fault_of_suite(info: dict[str, Any]) -> str:
    """Return what is wrong with an entry itself, empty where the rows may be to blame."""
    message = _message(info)
    return next((fault for pattern, fault in _FAULTS_OF_SUITE if re.search(pattern, message)), "")


def _merged(checks: list[Check]) -> list[Check]:
    """Return one check for each rule, over all batches."""
    by_rule: dict[tuple[str, ...], list[Check]] = {}
    for check in checks:
        by_rule.setdefault((*check.key, check.mismatched), []).append(check)
    return [_over_batches(checks) for checks in by_rule.values()]


def _over_batches(checks: list[Check]) -> Check:
    def total(name: str) -> int | None:
        counts = [getattr(check, name) for check in checks if getattr(check, name) is not None]
        return sum(counts) if counts else None

    worst = next((check for check in checks if not check.passed), checks[0])
    return replace(worst, unexpected=total("unexpected"), rows=total("rows"))
