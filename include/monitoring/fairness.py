"""Fairness: how far the selection rates of groups lie apart (demographic parity difference)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.contract.model import PREDICTION
from include.contract.monitoring import Fairness
from include.monitoring.findings import Findings

if TYPE_CHECKING:
    import pandas as pd


def assess(rows: pd.DataFrame, limits: Fairness) -> Findings:
    """Return the gap between the highest and the lowest selection rate, and a reason if it is too wide.

    Groups with fewer than `min_rows` rows are left out; with less than two groups nothing is found.
    """
    selected = (rows[PREDICTION] >= limits.selected_from).groupby(rows[limits.column].to_numpy())
    rates = selected.mean()[selected.size() >= limits.min_rows]
    if len(rates) < 2:
        return Findings()
    gap = float(rates.max() - rates.min())
    numbers = {"fairness.gap": gap}
    if gap <= limits.max_gap:
        return Findings(numbers)
    reason = f"selection rates of {limits.column!r} lie {gap:.3f} apart, more than {limits.max_gap:g}"
    return Findings(numbers, [reason])
