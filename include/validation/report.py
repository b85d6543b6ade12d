"""The report of a suite: each check, the verdict, and a page for people."""

from __future__ import annotations

from dataclasses import dataclass

from include.excerpt import excerpt
from include.html import page, paragraph, table
from include.verdict import Verdict

_MAX_RULE = 1000


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one expectation.

    `rule` holds its limits, `unexpected` and `rows` are counts, `error` says why it could not run. `days`
    names the first ten days that break a rule about days.
    """

    type: str
    columns: str
    rule: str
    severity: str
    passed: bool
    unexpected: int | None = None
    rows: int | None = None
    days: tuple[str, ...] = ()
    error: str = ""

    def sentence(self) -> str:
        """Return what failed, in one line."""
        rule = f"{excerpt(self.columns)}: {self.type}" if self.columns else self.type
        rule += f" ({self.rule[:200]})" if self.rule else ""
        if self.error:
            return f"{rule} could not run: {self.error} (severity {self.severity})"
        return f"{rule} failed{self._counted()} (severity {self.severity})"

    def _counted(self) -> str:
        if self.unexpected is None:
            return ""
        if self.rows is None:  # Great Expectations counts distinct values, and no rows
            return f" for {self.unexpected} distinct values"
        if self.days:
            return f" for {self.unexpected} of {self.rows} days: {', '.join(self.days)}"
        return f" for {self.unexpected} of {self.rows} rows"


@dataclass(frozen=True)
class Report:
    """The verdict over a run's rows, and each check behind it."""

    verdict: Verdict
    checks: tuple[Check, ...]

    def html(self, title: str) -> str:
        """Return the report as an HTML page."""
        checks = sorted(self.checks, key=lambda check: check.passed)
        state = "passed" if self.verdict.passed else "failed"
        return page(
            f"{title}: {state}",
            paragraph(f"{len(checks)} expectations; counts of rows, no values of the data."),
            table(
                ("state", "columns", "expectation", "limits", "unexpected", "remark"),
                [_row(check) for check in checks],
                [_COLOURS[_state(check)] for check in checks],
            ),
        )


def _row(check: Check) -> tuple[str, ...]:
    counted = "" if check.unexpected is None else f"{check.unexpected:,}"
    if counted and check.rows is not None:
        counted += f" of {check.rows:,}"
    remark = check.error or ", ".join(check.days)
    return _state(check), check.columns, check.type, excerpt(check.rule, _MAX_RULE), counted, remark


def _state(check: Check) -> str:
    return "passed" if check.passed else check.severity


_COLOURS = {"passed": "good", "critical": "bad", "warning": "warn", "info": "warn"}
