"""Findings: what one check of a monitoring run measured, and which of its limits were exceeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Findings(NamedTuple):
    """Numbers by dotted name, and one sentence for each limit that was exceeded."""

    numbers: Mapping[str, float] = {}
    reasons: Sequence[str] = ()
