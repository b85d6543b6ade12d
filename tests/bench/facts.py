"""What the benchmarks of containers and pods share: connections to nowhere, and the printed facts."""

from __future__ import annotations

import json
import os

from rich.console import Console
from rich.table import Table as Picture

from include.settings import settings


def connect_nowhere() -> None:
    """Airflow's connections, for jobs that ask no service."""
    for name in ("LAKEFS", "MLFLOW"):
        fields = {"conn_type": "http", "host": "http://127.0.0.1:1", "login": "l", "password": "p"}
        os.environ[f"AIRFLOW_CONN_{name}_DEFAULT"] = json.dumps(fields)


def report(name: str, title: str, facts: dict[str, float]) -> None:
    """Print medians in seconds, and write them to `var/bench/<name>.json`."""
    file = settings().var / "bench" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")
    picture = Picture(title, "seconds, median")
    for what, seconds in facts.items():
        picture.add_row(what, f"{seconds:.2f}")
    Console().print(picture, f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; written to {file}")
