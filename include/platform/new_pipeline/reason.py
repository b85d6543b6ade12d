"""A choice of `make new-pipeline`, with its reason in one line."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """What was chosen, and why; holds no value of the data but names of columns and categories."""

    choice: str
    value: str
    why: str
