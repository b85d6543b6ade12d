"""The verdict: the outcome of a check (validation, gate, monitoring)."""

from __future__ import annotations

from pydantic import Field

from include.record import Record

PASSED, FAILED = "passed", "failed"


class Verdict(Record):
    """Whether a check passed, the reasons (one sentence each), and the numbers behind it.

    `numbers` maps a dotted name to a finite float, so that it can be logged as metrics; neither part ever
    holds values of the data.
    """

    passed: bool
    reasons: tuple[str, ...] = ()
    numbers: dict[str, float] = Field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The verdict in one word, `passed` or `failed`."""
        return PASSED if self.passed else FAILED
