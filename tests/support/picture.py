"""`make generate`: draw docs/pictures/loop.svg, the closed loop of README, from the DAGs of `flights`.

Tasks, schedules, assets and the triggered DAG are read from the DagBag and the contract. The picture has its
own background in light and dark (`prefers-color-scheme`) and uses fonts of the reader's system only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.contract import loader
from include.settings import ROOT

FILE = ROOT / "docs/pictures/loop.svg"
PIPELINE = "flights"
STAGES = ("ingest", "train", "monitor")

_WIDTH, _LEFT, _RIGHT = 800, 90, 784
_LANE_HEIGHT, _SIDE_HEIGHT, _GUTTER = 86, 44, 50
_CHIP_HEIGHT, _GAP, _LETTER = 30, 24, 7.8
_RISERS = {"flow": 60, "loop": 28}
"""Pixels; `_LETTER` is the width of one letter of a monospaced font of 13 pixels."""

_STYLE = """
  svg { --back: #ffffff; --lane: #f3f5f9; --edge: #c9d1de; --chip: #ffffff; --text: #1b2433; --soft: #5a6679;
        --flow: #2f6feb; --loop: #c2410c; }
  @media (prefers-color-scheme: dark) {
    svg { --back: #10151d; --lane: #1a212c; --edge: #3a4656; --chip: #10151d; --text: #e6ebf2;
          --soft: #9aa7b8; --flow: #79aaff; --loop: #ff9a5c; } }
  .back { fill: var(--back) }
  .lane { fill: var(--lane); stroke: var(--edge) }
  .chip { fill: var(--chip); stroke: var(--edge) }
  .side { stroke-dasharray: 4 3 }
  .line { fill: none; stroke: var(--soft); stroke-width: 1.5 }
  .flow { fill: none; stroke: var(--flow); stroke-width: 2 }
  .loop { fill: none; stroke: var(--loop); stroke-width: 2.5 }
  text { fill: var(--text); font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  .name { font-weight: 700 }
  .note { fill: var(--soft); font-family: ui-sans-serif, system-ui, sans-serif }
  .flow-note { fill: var(--flow); font-family: ui-sans-serif, system-ui, sans-serif }
  .loop-note { fill: var(--loop); font-family: ui-sans-serif, system-ui, sans-serif; font-weight: 600 }
"""


@dataclass(frozen=True)
class Lane:
    """One DAG: its tasks in order, those that run only after a failure, and what it leaves behind.

    Tasks that stand alone are left out: they are no part of the loop.
    """

    dag_id: str
    when: str
    tasks: tuple[str, ...]
    after_failure: tuple[str, ...]
    leaves: str
    starts: str

    @property
    def height(self) -> int:
        return _LANE_HEIGHT + (_SIDE_HEIGHT if self.after_failure else 0)


def read_lanes() -> list[Lane]:
    """Read the three DAGs of the example pipeline from the DagBag."""
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(ROOT / "dags", safe_mode=False).dags
    schedule = loader.load(ROOT / "include/pipelines" / PIPELINE).schedule
    return [_lane(dags[f"{PIPELINE}.{stage}"], getattr(schedule, stage)) for stage in STAGES]


def draw(lanes: list[Lane]) -> str:
    """Return the SVG."""
    tops, y = [], 16
    for lane in lanes:
        tops.append(y)
        y += lane.height + _GUTTER
    body = [part for lane, top in zip(lanes, tops, strict=True) for part in _drawn(lane, top)]
    for number, lane in enumerate(lanes):
        if lane.starts:
            target = next(index for index, other in enumerate(lanes) if other.dag_id == lane.starts)
            note = f"drift beyond the policy starts {lane.starts}, once per cause"
            body += _way("loop", lane, tops[number], tops[target] + 62, note)
        else:
            readers = " and ".join(other.dag_id.split(".")[1] for other in lanes[number + 1 :])
            note = f"{lane.tasks[-1]}: {lane.leaves}, read by {readers}"
            body += _way("flow", lane, tops[number], tops[number + 1] + 34, note)
    return "\n".join([*_head(y), *body, "</svg>", ""])


def _lane(dag: Any, cron: str | None) -> Lane:
    order = [task for task in dag.topological_sort() if task.upstream_list or task.downstream_list]
    usual = [task for task in order if task.trigger_rule == "all_success"]
    outlets = [asset.uri.rstrip("/") for task in order for asset in task.outlets]
    return Lane(
        dag_id=dag.dag_id,
        when=f"schedule {cron}" if cron else "on demand",
        tasks=tuple(task.task_id for task in usual),
        after_failure=tuple(task.task_id for task in order if task not in usual),
        leaves=outlets[0] if outlets else "",
        starts=next((task.trigger_dag_id for task in order if hasattr(task, "trigger_dag_id")), ""),
    )


def _head(height: int) -> list[str]:
    title = "Millrace's closed loop: ingest feeds train, train feeds monitor, monitor starts train again"
    marks = [
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L8 4 L0 8 Z" '
        f'style="fill: var(--{colour})"/></marker>'
        for kind, colour in (("to-line", "soft"), ("to-flow", "flow"), ("to-loop", "loop"))
    ]
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        f"<defs>{''.join(marks)}</defs>",
        f'<rect class="back" width="{_WIDTH}" height="{height}" rx="10"/>',
    ]


def _drawn(lane: Lane, top: int) -> Iterator[str]:
    yield f'<rect class="lane" x="{_LEFT}" y="{top}" width="{_RIGHT - _LEFT}" height="{lane.height}" rx="8"/>'
    yield _text("name", _LEFT + 16, top + 24, lane.dag_id)
    yield _text("note", _LEFT + 16 + (len(lane.dag_id) + 2) * _LETTER, top + 24, lane.when)
    x, y, last = float(_LEFT + 16), top + 42, 0.0
    for number, task in enumerate(lane.tasks):
        if number:
            yield _path("line", f"M{x - _GAP + 2:g} {y + 15} H{x - 3:g}")
        yield _chip("chip", x, y, task)
        last, x = x, x + _chip_width(task) + _GAP
    for task in lane.after_failure:
        below = y + _CHIP_HEIGHT + 14
        start = last - _GAP - 20
        yield _path("line", f"M{start:g} {y + _CHIP_HEIGHT} V{below + 15} H{last - 3:g}")
        yield _chip("chip side", last, below, task)
        note = "when a check fails"
        yield _text("note", last + _chip_width(task) + 12, below + 20, note)


def _way(kind: str, lane: Lane, top: int, entrance: int, note: str) -> Iterator[str]:
    """From the last task of a lane, through the gutter below it, to the left edge of another lane."""
    start = _LEFT + 16 + sum(_chip_width(task) + _GAP for task in lane.tasks) - _GAP
    middle = top + lane.height + _GUTTER / 2
    riser = _RISERS[kind]
    way = f"M{start:g} {top + 57} H{_RIGHT - 24} V{middle:g} H{riser} V{entrance} H{_LEFT - 3}"
    yield _path(kind, way)
    yield _text(f"{kind}-note", _LEFT + 16, middle - 7, note)


def _chip(kind: str, x: float, y: float, task: str) -> str:
    width = _chip_width(task)
    box = f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{_CHIP_HEIGHT}" rx="6"/>'
    return box + _text("task", x + 10, y + 20, task)


def _chip_width(task: str) -> float:
    return round(len(task) * _LETTER + 20, 1)


def _path(kind: str, way: str) -> str:
    return f'<path class="{kind}" d="{way}" marker-end="url(#to-{kind})"/>'


def _text(kind: str, x: float, y: float, words: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def main() -> None:
    """Write the picture; Airflow keeps what it needs meanwhile in a folder that is removed."""
    with TemporaryDirectory(prefix="millrace-airflow-") as home:
        os.environ["AIRFLOW_HOME"] = home
        Path(FILE.parent).mkdir(exist_ok=True)
        FILE.write_text(draw(read_lanes()))


if __name__ == "__main__":
    main()
