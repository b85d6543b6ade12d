"""The outcome of a check: validation, gate, drift."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a check passed, why (one sentence each), and the numbers behind it.

    `numbers` maps a dotted name to a finite float, so that it can be logged as metrics;
    neither part ever holds values of the data.
    """

    passed: bool
    reasons: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Verdict:
        return cls(passed=value["passed"], reasons=tuple(value["reasons"]), numbers=dict(value["numbers"]))
