"""Names of columns as the contract takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from include.contract.reserved import COLUMNS
from include.contract.text import is_mlflow_name

_MAX_LENGTH = 200


def tidy(names: Iterable[str]) -> list[str]:
    """Return a name for each column that the contract, MLflow and the suite take; good ones stay."""
    found: list[str] = []
    given = list(names)
    for place, name in enumerate(given, start=1):
        kept = _tidy(name, place)
        while kept in found or (kept != name and kept in given):
            kept = f"{kept}_{place}"
        found.append(kept)
    return found


def _tidy(name: str, place: int) -> str:
    if _is_good(name):
        return name
    words = re.sub(r"[^\w.\- ]+", " ", name).strip()
    plain = re.sub(r"\s+", "_", words).strip("._-")[: _MAX_LENGTH - 10]
    if plain in COLUMNS:
        return f"{plain.strip('_')}_column"
    return plain if plain and _is_good(plain) else f"column_{place}"


def _is_good(name: str) -> bool:
    return (
        0 < len(name) <= _MAX_LENGTH
        and name == name.strip()
        and name.isprintable()
        and is_mlflow_name(name)
        and name not in COLUMNS
    )
