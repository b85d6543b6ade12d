"""Judged days: what the suite of a run is for."""

from __future__ import annotations

from datetime import date

from include.ingestion.ingestion import Ingestion


def judged_days(ingestion: Ingestion, commit: str, base: str) -> list[date]:
    """Return the days of an ingestion that are judged, in order.

    Of days that are read again these are the ones whose rows differ between `base` and `commit`: an old day
    that never had rows, or whose rows stay, says nothing about the new ones.
    """
    again = {day for day in ingestion.days if ingestion.is_read_again(day)}
    changed = ingestion.table.changed_days(base, commit) if again else set()
    return [day for day in ingestion.days if day not in again or day in changed]
