"""The report of a suite: each check, the verdict, and a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from include.excerpt import excerpt
from include.html import page, paragraph, table
from include.verdict import Verdict

_MAX_RULE = 1000


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one expectation.

    `rule` holds its limits, `unexpected` and `rows` are counts, `error` says why it could not run. `days`
    names the first ten days that break a rule about days. `mismatched` names columns that a table lacks, or
    has beyond the expected ones. A check `is_implied` if the contract needs it, whatever the suite says.
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
    mismatched: str = ""
    is_implied: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the check is of: the same for every part of the rows."""
        return self.type, self.columns, self.rule, self.severity

    @property
    def is_critical_fault(self) -> bool:
        """Whether the check makes the verdict negative."""
        return not self.passed and self.severity == "critical"

    @property
    def about(self) -> str:
        """The columns to look at: those that do not match, else those of the rule."""
        return self.mismatched or self.columns

    def sentence(self) -> str:
        """Return what failed, in one line."""
        rule = f"{excerpt(self.about)}: {self.type}" if self.about else self.type
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
class DayFault:
    """A day that fails by itself: how many rows it has, and the rules that it breaks."""

    rows: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The verdict over a run's rows, and each check behind it; `bad_days` are left out of the run."""

    verdict: Verdict
    checks: tuple[Check, ...]
    bad_days: Mapping[date, DayFault] = field(default_factory=dict)

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
            *self._left_out(),
        )

    def _left_out(self) -> list[str]:
        """Return the part of the page about the days that are not published."""
        if not self.bad_days:
            return []
        rows = [
            (f"{day}", f"{fault.rows:,}", "; ".join(fault.reasons)) for day, fault in self.bad_days.items()
        ]
        return [
            paragraph(f"{len(rows)} day(s) fail by themselves and are left out; the others pass together."),
            table(("day", "rows", "reasons"), rows, ["bad"] * len(rows)),
        ]


def _row(check: Check) -> tuple[str, ...]:
    counted = "" if check.unexpected is None else f"{check.unexpected:,}"
    if counted and check.rows is not None:
        counted += f" of {check.rows:,}"
    remark = check.error or ", ".join(check.days)
    return _state(check), check.about, check.type, excerpt(check.rule, _MAX_RULE), counted, remark


def _state(check: Check) -> str:
    return "passed" if check.passed else check.severity


_COLOURS = {"passed": "good", "critical": "bad", "warning": "warn", "info": "warn"}
