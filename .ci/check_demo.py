"""Check the summary of the demo: the drift sensor closed the loop, and no row was lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NOT_EMPTY = ("pipeline", "partitions", "days", "retrain_run_id", "wall_seconds", "links")
KEYS = {*NOT_EMPTY, "rows_source", "rows_lake", "champion_before", "champion_after", "retrain_triggered_by"}


def faults(summary: dict[str, Any]) -> list[str]:
    """Return everything that is wrong with a summary."""
    if missing := sorted(KEYS - summary.keys()):
        return [f"lacks {', '.join(missing)}"]
    messages = []
    if not summary["rows_source"] == summary["rows_lake"] > 0:
        messages.append(f"{summary['rows_source']} rows in the source, {summary['rows_lake']} in the lake")
    for champion in ("champion_before", "champion_after"):
        if {"version", "metric"} - set(summary[champion] or ()):
            messages.append(f"{champion} is {summary[champion]!r}; it needs a version and a metric")
    if (trigger := summary["retrain_triggered_by"]) != "drift-sensor":
        messages.append(f"the retrain was triggered by {trigger!r}, not by 'drift-sensor'")
    if empty := [key for key in NOT_EMPTY if not summary[key]]:
        messages.append(f"nothing in {', '.join(empty)}")
    return messages


def main(file: str) -> int:
    """Print the faults of a file; return 1 if there are any."""
    messages = faults(json.loads(Path(file).read_text()))
    for message in messages:
        print(f"{file}: {message}", file=sys.stderr)  # noqa: T201 - this is its one output
    return int(bool(messages))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
