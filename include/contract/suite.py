"""The suite of a pipeline, `expectations.yaml`, as far as it can be read without Great Expectations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.exceptions import Fault, PipelineInvalid
from include.yaml_text import read_yaml

PARTS = ("rows", "partitions")


def read_entries(suite: Path) -> dict[str, list[Any]]:
    """Return the entries of a suite file, by its two lists; raises PipelineInvalid."""
    raw = read_yaml(suite)
    if set(raw) - set(PARTS) or not all(isinstance(entries, list | None) for entries in raw.values()):
        raise _fault(suite, "file", "write the lists 'rows' and 'partitions', nothing else")
    return {part: raw.get(part) or [] for part in PARTS}


def check_suite(suite: Path) -> None:
    """Raise PipelineInvalid if a suite file cannot be read, or checks no partition."""
    require_partitions(suite, read_entries(suite))


def require_partitions(suite: Path, entries: dict[str, list[Any]]) -> None:
    """Raise PipelineInvalid if a suite has no entry for partitions."""
    if not entries["partitions"]:
        message = "is empty; at least expect a count of rows, or no rows would pass"
        raise _fault(suite, "partitions", message)


def _fault(suite: Path, path: str, message: str) -> PipelineInvalid:
    return PipelineInvalid(str(suite), [Fault(path, message)])
