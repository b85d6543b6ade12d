"""`make bench WHAT=docker`: what a container adds to a job over the task's own process.

Three things, measured apart: the container itself (made, started, waited for and removed by the operator,
around a job that answers at once), Python with the job's command line in it, and the libraries that each
job imports cold, which the warm process has already. Medians; it needs an engine with the job image
(`make images`).
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from statistics import median
from typing import Any

from include.platform.embedded.gateway import job_gateway
from tests.bench.facts import connect_nowhere, report
from tests.support.engine import DEPLOYMENT, JOB_IMAGE, Engine, run_engine
from tests.support.task import Task

_ALL = "import pandas, pyarrow.parquet, lakefs_client, mlflow.artifacts"
_IMPORTS = {
    "train, evaluate": f"{_ALL}, mlflow.sklearn, skops.io, sklearn.ensemble",
    "score": f"{_ALL}, skops.io, sklearn.ensemble",
    "measure": f"{_ALL}, evidently",
}
_BARE = "what the cold ones are compared with"
_ANSWER = """echo '{"run_id": "r", "link": "l"}'"""


def main() -> None:
    """Measure, print, and write `var/bench/containers.json`."""
    parser = ArgumentParser(prog="python -m tests.bench.containers", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    repetitions = parser.parse_args().repetitions
    connect_nowhere()
    job_gateway("millrace")
    with run_engine() as engine:
        facts = {name: _median(call, repetitions) for name, call in _calls(engine).items()}
    bare = facts.pop(_BARE)
    facts |= {name: round(seconds - bare, 2) for name, seconds in facts.items() if name.startswith("cold")}
    report("containers", "what a container adds", facts)


def _calls(engine: Engine) -> dict[str, Callable[[], Any]]:
    def plain(*command: str) -> Callable[[], Any]:
        return lambda: engine.client.containers.run(JOB_IMAGE, entrypoint=list(command), remove=True)

    shell = engine.script(_ANSWER)
    return {
        "a container around a shell that returns a result": lambda: _operator(shell),
        _BARE: plain("true"),
        "cold: Python and the job's command line": plain("python", "-c", "import include.jobs.__main__"),
        **{f"cold: libraries of {job}": plain("python", "-c", code) for job, code in _IMPORTS.items()},
    }


def _operator(image: str) -> None:
    from millrace.runtimes.docker.operator import DockerJobOperator

    job_args = {"commit": "c", "until": "2024-03-30"}
    Task(
        DockerJobOperator(
            task_id="train",
            pipeline_name="bench",
            job="train",
            job_args=job_args,
            deployment=DEPLOYMENT,
            image=image,
            cpus=1,
            mem_limit=2**31,
            network_mode="millrace",
        ),
        run_id="bench",
    ).run()


def _median(call: Callable[[], Any], repetitions: int) -> float:
    call()
    times = []
    for _ in range(repetitions):
        started = time.monotonic()
        call()
        times.append(time.monotonic() - started)
    return round(median(times), 2)


if __name__ == "__main__":
    main()
