"""`make bench-pods`: what a pod adds to a job over the task's own process.

Around a job that answers at once: the pod asked for, waited for by the trigger, read and removed. Not in it:
that Airflow puts the task to sleep and wakes it, and the libraries that a job imports cold, which
`make bench-docker` measures.
Medians; it needs the cluster of KUBECONFIG with the job image on its nodes.
"""

from __future__ import annotations

import json
import os
import time
from argparse import ArgumentParser
from itertools import pairwise
from statistics import median

from rich.console import Console
from rich.table import Table as Picture

from include.settings import Settings
from tests.support.cluster import Cluster, run_cluster, score_task

_ANSWER = """echo '{"commit": "c", "days": 1, "rows": 2}'"""


def main() -> None:
    """Measure, print, and write `var/bench/pods.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.pods", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    repetitions = parser.parse_args().repetitions
    for name in ("LAKEFS", "MLFLOW"):
        fields = {"conn_type": "http", "host": "http://127.0.0.1:1", "login": "l", "password": "p"}
        os.environ[f"AIRFLOW_CONN_{name}_DEFAULT"] = json.dumps(fields)
    with run_cluster({}) as cluster:
        _parts(cluster, "first")
        turns = [_parts(cluster, f"turn-{number}") for number in range(repetitions)]
    facts = {name: round(median(turn[name] for turn in turns), 2) for name in turns[0]}
    file = Settings().var / "bench" / "pods.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")
    picture = Picture("what a pod adds", "seconds, median")
    for name, seconds in facts.items():
        picture.add_row(name, f"{seconds:.2f}")
    Console().print(picture, f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; written to {file}")


def _parts(cluster: Cluster, run_id: str) -> dict[str, float]:
    task, moments = score_task(cluster, _ANSWER, run_id), [time.monotonic()]
    asleep = task.begin()
    moments.append(time.monotonic())
    event = task.wait(asleep)
    moments.append(time.monotonic())
    task.resume(asleep, event)
    moments.append(time.monotonic())
    made, waited, read = (after - before for before, after in pairwise(moments))
    return {
        "a pod around a shell that answers": made + waited + read,
        "of it: asked for": made,
        "of it: run by the cluster, seen by the trigger": waited,
        "of it: its answer read, removed": read,
    }


if __name__ == "__main__":
    main()
