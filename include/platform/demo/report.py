"""The demo's facts: told to people as tables, to programs as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from include.platform.demo.story import Night, Retrain


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the demo found out. `rows_source` is counted in the source, `rows_lake` in the lake."""

    pipeline: str
    partitions: int
    rows_source: int
    rows_lake: int
    commit: str
    nights: list[Night]
    retrains: list[Retrain]
    wall_seconds: float
    links: dict[str, str]

    @property
    def closed(self) -> bool:
        """Whether the loop closed: fired by the sensor, a new champion, no row lost or doubled."""
        last = self._last
        return (
            last is not None
            and last.fired_by == "drift-sensor"
            and last.after is not None
            and self.rows_lake == self.rows_source
        )

    @property
    def _last(self) -> Retrain | None:
        return self.retrains[-1] if self.retrains else None

    def to_json(self) -> dict[str, Any]:
        last = self._last
        return {
            "pipeline": self.pipeline,
            "partitions": self.partitions,
            "rows_source": self.rows_source,
            "rows_lake": self.rows_lake,
            "commit": self.commit,
            "champion_before": _champion(last.before if last else None),
            "champion_after": _champion(last.after if last else None),
            "nights": [_night(night) for night in self.nights],
            "retrain_fired_by": last and last.fired_by,
            "retrain_run_id": last and last.run_id,
            "wall_seconds": round(self.wall_seconds, 1),
            "links": self.links,
        }

    def write(self, file: Path) -> None:
        """Keep the facts as JSON, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=2) + "\n")
        temporary.replace(file)

    def show(self, console: Console) -> None:
        """Print the facts as tables."""
        console.print(_nights(self.nights))
        table = Table(show_header=False)
        for name, value in self._lines():
            table.add_row(name, value)
        console.print(table)
        for name, link in self.links.items():
            console.print(f"{name:>14}  {link}", soft_wrap=True)

    def _lines(self) -> list[tuple[str, str]]:
        told = [night.policy for night in self.nights]
        return [
            ("partitions", f"{self.partitions}"),
            ("rows", f"{self.rows_lake:,} in the lake, {self.rows_source:,} in the source"),
            ("commit", self.commit[:16]),
            *(line for retrain in self.retrains for line in _retrain(retrain)),
            (
                "sensor",
                f"fired {told.count('fired')}, held {told.count('held')}, quiet {told.count('quiet')}",
            ),
            ("wall time", f"{self.wall_seconds:.0f} s"),
        ]


def _nights(nights: list[Night]) -> Table:
    table = Table("night", "drifted columns", "verdict", "policy")
    for night in nights:
        colour = {"fired": "bold red", "held": "yellow"}.get(night.policy, "green")
        columns = ", ".join(night.drifted_columns)
        table.add_row(f"{night.date}", columns, night.verdict, f"[{colour}]{night.policy}[/{colour}]")
    return table


def _retrain(retrain: Retrain) -> list[tuple[str, str]]:
    version, metric = retrain.before
    told = [("champion before", f"version {version}, {metric:.4f} on the held-out rows")]
    if retrain.after is None:
        return [*told, ("gate", f"rejected the candidate: {'; '.join(retrain.reasons)}")]
    version, metric = retrain.after
    return [*told, ("champion after", f"version {version}, {metric:.4f} on the same rows")]


def _champion(told: tuple[int, float] | None) -> dict[str, float] | None:
    return None if told is None else {"version": told[0], "metric": round(told[1], 6)}


def _night(night: Night) -> dict[str, Any]:
    return {
        "date": night.date.isoformat(),
        "drifted_columns": night.drifted_columns,
        "verdict": night.verdict,
        "policy": night.policy,
        "reason": night.reason,
    }
