"""The demo's facts, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from include.monitoring.decision import Cause
from include.platform.demo.story import DailyResult, Retrain
from include.platform.picture import picture


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Results of the demo. `rows_source` is counted in the source, `rows_lake` in the lake."""

    pipeline: str
    partitions: int
    rows_source: int
    rows_lake: int
    commit: str
    days: list[DailyResult]
    retrains: list[Retrain]
    wall_seconds: float
    links: dict[str, str]

    @property
    def closed(self) -> bool:
        """Whether the drift sensor started a retrain with a new champion, and no row was lost or doubled."""
        last = self._last
        return (
            last is not None
            and last.triggered_by == Cause.SENSOR
            and last.after is not None
            and self.rows_lake == self.rows_source
        )

    @property
    def _last(self) -> Retrain | None:
        return self.retrains[-1] if self.retrains else None

    def to_json(self) -> dict[str, Any]:
        """Return the content of `summary.json`."""
        last = self._last
        return {
            "pipeline": self.pipeline,
            "partitions": self.partitions,
            "rows_source": self.rows_source,
            "rows_lake": self.rows_lake,
            "commit": self.commit,
            "champion_before": _champion(last.before if last else None),
            "champion_after": _champion(last.after if last else None),
            "days": [_day(day) for day in self.days],
            "retrain_triggered_by": last and last.triggered_by,
            "retrain_run_id": last and last.run_id,
            "wall_seconds": round(self.wall_seconds, 1),
            "links": self.links,
        }

    def write(self, file: Path) -> None:
        """Replace a file atomically by the facts as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=2) + "\n")
        temporary.replace(file)

    def show(self, console: Console) -> None:
        """Print the facts as tables."""
        console.print(_days(self.days))
        table = picture("what", "seen", has_header=False)
        for name, value in self._lines():
            table.add_row(name, value)
        console.print(table)
        for name, link in self.links.items():
            console.print(f"{name:>14}  {link}", soft_wrap=True)

    def _lines(self) -> list[tuple[str, str]]:
        decisions = [day.policy for day in self.days]
        return [
            ("partitions", f"{self.partitions}"),
            ("rows", f"{self.rows_lake:,} in the lake, {self.rows_source:,} in the source"),
            ("commit", self.commit[:16]),
            *(line for retrain in self.retrains for line in _retrain(retrain)),
            ("policy", f"retrain {decisions.count('retrain')}, hold {decisions.count('hold')}"),
            ("wall time", f"{self.wall_seconds:.0f} s"),
        ]


def _days(days: list[DailyResult]) -> Table:
    table = picture("day", "drifted columns", "verdict", "policy")
    for day in days:
        colour = "bold red" if day.policy == "retrain" else "yellow" if day.verdict == "failed" else "green"
        columns = ", ".join(day.drifted_columns)
        table.add_row(f"{day.date}", columns, day.verdict, f"[{colour}]{day.policy}[/{colour}]")
    return table


def _retrain(retrain: Retrain) -> list[tuple[str, str]]:
    version, metric = retrain.before
    lines = [("champion before", f"version {version}, {metric:.4f} on the held-out rows")]
    if retrain.after is None:
        return [*lines, ("gate", f"rejected the candidate: {'; '.join(retrain.reasons)}")]
    version, metric = retrain.after
    return [*lines, ("champion after", f"version {version}, {metric:.4f} on the same rows")]


def _champion(champion: tuple[int, float] | None) -> dict[str, float] | None:
    return None if champion is None else {"version": champion[0], "metric": round(champion[1], 6)}


def _day(day: DailyResult) -> dict[str, Any]:
    return {
        "date": day.date.isoformat(),
        "drifted_columns": day.drifted_columns,
        "verdict": day.verdict,
        "policy": day.policy,
        "reason": day.reason,
    }
