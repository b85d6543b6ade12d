"""Read a suite file into Great Expectations' expectations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.contract.suite import read_entries, require_partitions
from include.exceptions import Misconfigured
from include.excerpt import excerpt, quote


def read_suite(suite: Path) -> dict[str, list[Any]]:
    """Return the expectations of a suite file, by its two lists; raises Misconfigured with file and entry."""
    expectations_by_part = {
        part: [_expectation(suite, part, entry) for entry in entries]
        for part, entries in read_entries(suite).items()
    }
    require_partitions(suite, expectations_by_part)
    return expectations_by_part


def _expectation(suite: Path, part: str, entry: Any) -> Any:
    from great_expectations import expectations

    where = f"{suite}: {part}: {quote(entry)}"
    if not isinstance(entry, dict) or not {"type"} <= set(entry) <= {"type", "kwargs", "severity"}:
        raise Misconfigured(f"{where} is not an entry; write type, kwargs and severity")
    kind = getattr(expectations, "".join(word.capitalize() for word in str(entry["type"]).split("_")), None)
    if kind is None:
        raise Misconfigured(f"{where}: Great Expectations has no expectation {entry['type']!r}")
    try:
        return kind(severity=entry.get("severity", "critical"), **entry.get("kwargs", {}))
    except (TypeError, ValueError) as error:  # pydantic's, with its own account of what is wrong
        raise Misconfigured(f"{where}: {excerpt(str(error), 1000)}") from error
