"""`make bench WHAT=pods`: what a pod adds to a job over the task's own process.

Around a job that answers at once: the pod requested, waited for by the trigger, read and removed. Not in it:
that Airflow puts the task to sleep and wakes it, and the libraries that a job imports cold, which
`make bench WHAT=docker` measures.
Medians; it needs the cluster of KUBECONFIG with the job image on its nodes.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from itertools import pairwise
from statistics import median

from tests.bench.facts import connect_nowhere, report
from tests.support.cluster import ANSWER, Cluster, run_cluster, score_task


def main() -> None:
    """Measure, print, and write `var/bench/pods.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.pods", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    repetitions = parser.parse_args().repetitions
    connect_nowhere()
    with run_cluster({}) as cluster:
        _parts(cluster, "first")
        turns = [_parts(cluster, f"turn-{number}") for number in range(repetitions)]
    facts = {name: round(median(turn[name] for turn in turns), 2) for name in turns[0]}
    report("pods", "what a pod adds", facts)


def _parts(cluster: Cluster, run_id: str) -> dict[str, float]:
    task, moments = score_task(cluster, ANSWER, run_id), [time.monotonic()]
    asleep = task.begin()
    moments.append(time.monotonic())
    event = task.wait(asleep)
    moments.append(time.monotonic())
    task.resume(asleep, event)
    moments.append(time.monotonic())
    made, waited, read = (after - before for before, after in pairwise(moments))
    return {
        "a pod around a shell that answers": made + waited + read,
        "of it: requested": made,
        "of it: run by the cluster, seen by the trigger": waited,
        "of it: its answer read, removed": read,
    }


if __name__ == "__main__":
    main()
