"""Read a suite file into Great Expectations' expectations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from include.exceptions import Misconfigured
from include.yaml_text import load_yaml

if TYPE_CHECKING:
    pass


def read_suite(suite: Path) -> dict[str, list[Any]]:
    """Return the expectations of a suite file, by its two lists; raises Misconfigured with file and entry."""
    try:
        raw = load_yaml(suite.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{suite} cannot be read: {error}") from error
    if (
        not isinstance(raw, dict)
        or set(raw) - {"rows", "partitions"}
        or not all(isinstance(entries, list | None) for entries in raw.values())
    ):
        raise Misconfigured(f"{suite}: write the lists 'rows' and 'partitions', nothing else")
    expectations_by_part = {
        part: [_expectation(suite, part, entry) for entry in raw.get(part) or []]
        for part in ("rows", "partitions")
    }
    if not expectations_by_part["partitions"]:
        raise Misconfigured(
            f"{suite}: 'partitions' is empty; at least expect a count of rows, or no rows would pass"
        )
    return expectations_by_part


def _expectation(suite: Path, part: str, entry: Any) -> Any:
    from great_expectations import expectations

    where = f"{suite}: {part}: {entry!r}"
    if not isinstance(entry, dict) or not {"type"} <= set(entry) <= {"type", "kwargs", "severity"}:
        raise Misconfigured(f"{where} is not an entry; write type, kwargs and severity")
    kind = getattr(expectations, "".join(word.capitalize() for word in str(entry["type"]).split("_")), None)
    if kind is None:
        raise Misconfigured(f"{where}: Great Expectations has no expectation {entry['type']!r}")
    try:
        return kind(severity=entry.get("severity", "critical"), **entry.get("kwargs", {}))
    except (TypeError, ValueError) as error:  # pydantic's, with its own account of what is wrong
        raise Misconfigured(f"{where}: {error}") from error
