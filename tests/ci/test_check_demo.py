"""The check of the demo finds what is wrong with a summary, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.settings import ROOT

GOOD = {
    "pipeline": "flights",
    "partitions": 120,
    "rows_source": 101_000,
    "rows_lake": 101_000,
    "champion_before": {"version": 1, "metric": 0.65},
    "champion_after": {"version": 2, "metric": 0.7},
    "days": ["2013-05-01", "2013-05-02"],
    "retrain_triggered_by": "drift-sensor",
    "retrain_run_id": "retrain-2013-05-02-1",
    "wall_seconds": 200.5,
    "links": {"airflow": "http://127.0.0.1:8080"},
}


def check(folder: Path, summary: dict[str, Any]) -> tuple[int, str]:
    file = folder / "summary.json"
    file.write_text(json.dumps(summary))
    process = subprocess.run(
        [sys.executable, ROOT / ".ci/check_demo.py", file], capture_output=True, text=True, check=False
    )
    return process.returncode, process.stderr


def test_a_closed_loop_passes(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD) == (0, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows_lake": 100_999}, "101000 rows in the source, 100999 in the lake"),
        ({"rows_lake": 0, "rows_source": 0}, "0 rows in the source"),
        ({"retrain_triggered_by": "manual"}, "triggered by 'manual', not by 'drift-sensor'"),
        ({"champion_after": {"version": 2}}, "champion_after is {'version': 2}"),
        ({"champion_before": None}, "champion_before is None"),
        ({"days": [], "links": {}}, "nothing in days, links"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    status, output = check(tmp_path, GOOD | change)

    assert status == 1
    assert message in output


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_key_is_needed(tmp_path: Path, key: str) -> None:
    summary = {name: value for name, value in GOOD.items() if name != key}

    assert check(tmp_path, summary) == (1, f"{tmp_path / 'summary.json'}: lacks {key}\n")
