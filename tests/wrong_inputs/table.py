"""The record of a wrong input, what its row may use, and the marks that no message may repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MARK = "MARKED-7f3a9c"
"""Stands for a text of the data."""
NUMBER = 7351.0625
"""Stands for a number of the data."""
MARKS = (MARK, str(NUMBER))


@dataclass(frozen=True)
class Wrong:
    """One wrong input: `give` hands it to the real function, in a folder of its own, which raises `error`.

    The message contains `says`.
    """

    id: str
    give: Callable[[Path], object]
    error: type[Exception]
    says: str


Row = tuple[str, Callable[[Path], object], type[Exception], str]


def rows(kind: str, *given: Row) -> list[Wrong]:
    """The records of a kind; their ids begin with it."""
    return [Wrong(f"{kind}: {name}", give, error, says) for name, give, error, says in given]
