"""Read a suite file into Great Expectations' expectations."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from include.contract.suite import read_entries, require_partitions
from include.exceptions import Misconfigured
from include.excerpt import describe, excerpt, quote

_MAX_MESSAGE = 1000


def read_suite(suite: Path) -> dict[str, list[Any]]:
    """Return the expectations of a suite file, by its two lists; raises Misconfigured with file and entry."""
    expectations_by_part = {
        part: [_expectation(suite, part, entry) for entry in entries]
        for part, entries in read_entries(suite).items()
    }
    require_partitions(suite, expectations_by_part)
    return expectations_by_part


def _expectation(suite: Path, part: str, entry: Any) -> Any:
    where = f"{suite}: {part}: {quote(entry)}"
    if not isinstance(entry, dict) or not {"type"} <= set(entry) <= {"type", "kwargs", "severity"}:
        raise Misconfigured(f"{where} is not an entry; write type, kwargs and severity")
    if (kind := _kinds().get(str(entry["type"]))) is None:
        raise Misconfigured(
            f"{where}: Great Expectations has no expectation {quote(entry['type'])}; see its gallery"
        )
    try:
        expectation = kind(severity=entry.get("severity", "critical"), **entry.get("kwargs", {}))
        _check_kwargs(entry.get("kwargs", {}))
    except (TypeError, ValueError) as error:  # pydantic's, with its own account of what is wrong
        raise Misconfigured(f"{where}: {excerpt(str(error), _MAX_MESSAGE)}; correct the entry") from error
    except Exception as error:
        raise Misconfigured(f"{where}: {describe(error)}; correct the entry") from error
    return expectation


@cache
def _kinds() -> dict[str, Any]:
    """Return the classes of expectations by the names that suites give them."""
    from great_expectations import expectations

    named = {_snake(name): getattr(expectations, name) for name in dir(expectations)}
    return {name: kind for name, kind in named.items() if name.startswith("expect_")}


def _snake(name: str) -> str:
    """Return a class's name in snake case; a run of capitals, as in `KLDivergence`, is one word."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _check_kwargs(kwargs: dict[str, Any]) -> None:
    """Raise ValueError for arguments that Great Expectations would only refuse once it has rows."""
    for name in ("regex", "regex_list"):
        given = kwargs.get(name) or []
        for pattern in [given] if isinstance(given, str) else given:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{name}: {quote(pattern)} is not a regular expression: {error}") from error
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise ValueError(f"min_value {quote(low)} is greater than max_value {quote(high)}")
