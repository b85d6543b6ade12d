"""What parsing the DAG files costs: the scheduler, and each task, pays it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from typing import Any

from include.settings import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = SETTINGS["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]

PARSE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import airflow.sdk
import airflow.dag_processing.dagbag as dagbag
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
before = set(sys.modules)
started = time.process_time()
bag = dagbag.DagBag(sys.argv[1])
seconds = time.process_time() - started
new = sorted(set(sys.modules) - before)
found = {"dags": sorted(bag.dags), "errors": bag.import_errors, "seconds": seconds, "new": new}
print(json.dumps(found))
"""


def parse() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-c", PARSE, str(ROOT / "dags")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_parsing_every_dag_is_quick_and_imports_no_heavy_library() -> None:
    tries = [parse() for _ in range(3)]
    assert tries[0]["errors"] == {}
    assert tries[0]["dags"]
    assert [name for name in HEAVY if name in tries[0]["new"]] == []
    best = min(one["seconds"] for one in tries)
    print(f"parsing all DAG files took {best:.2f} s of processor time, best of {len(tries)}")
    assert best <= 1, f"{best:.2f} s: see `python -X importtime` for what a DAG file has come to import"
