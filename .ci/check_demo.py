"""Judge what the demo left behind: the loop was closed, by the sensor, without losing a row."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FULL = ("pipeline", "partitions", "nights", "retrain_run_id", "wall_seconds", "links")
KEYS = {*FULL, "rows_source", "rows_lake", "champion_before", "champion_after", "retrain_fired_by"}


def faults(summary: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a summary."""
    if missing := sorted(KEYS - summary.keys()):
        return [f"lacks {', '.join(missing)}"]
    found = []
    if not summary["rows_source"] == summary["rows_lake"] > 0:
        found.append(f"{summary['rows_source']} rows in the source, {summary['rows_lake']} in the lake")
    for champion in ("champion_before", "champion_after"):
        if {"version", "metric"} - set(summary[champion] or ()):
            found.append(f"{champion} is {summary[champion]!r}; it needs a version and a metric")
    if summary["retrain_fired_by"] != "drift-sensor":
        found.append(f"the retraining was fired by {summary['retrain_fired_by']!r}, not by 'drift-sensor'")
    if empty := [key for key in FULL if not summary[key]]:
        found.append(f"nothing in {', '.join(empty)}")
    return found


def main(file: str) -> int:
    """Judge one file."""
    wrong = faults(json.loads(Path(file).read_text()))
    for fault in wrong:
        print(f"{file}: {fault}", file=sys.stderr)  # noqa: T201 - this is its one output
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
