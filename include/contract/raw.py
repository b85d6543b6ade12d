"""The raw keys of a contract, as YAML has read them: for checks that a fault elsewhere must not hide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def at(raw: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where any part of it is missing."""
    value: Any = raw
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def declarations(raw: Mapping[str, Any], path: str) -> dict[Any, Any]:
    """Return the columns that a section declares."""
    columns = at(raw, path)
    return columns if isinstance(columns, dict) else {}


def declaration(value: Any) -> Mapping[str, Any]:
    """Return the keys of a declared column, which may be its type alone."""
    return value if isinstance(value, dict) else {"type": value} if isinstance(value, str) else {}


def texts(values: Iterable[Any]) -> set[str]:
    """Return the texts among values and lists of values."""
    items = (item for value in values for item in (value if isinstance(value, list) else [value]))
    return {item for item in items if isinstance(item, str)}
