"""The work of one loop as a plain script: no Airflow, one cold process, the same library functions.

    python -m tests.bench.script <first day> <last day>

Reads the lake and MLflow from the environment of the stack that it is compared with.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path

from include.contract import loader
from include.governance import promotion
from include.ingestion import check, load
from include.jobs.context import Services
from include.jobs.runner import run
from include.jobs.spec import Job, JobSpec
from include.lake.client import Lake, LakeConnection
from include.lake.merge import publish
from include.lake.table import Table
from include.monitoring.decision import decide
from include.run_identity import RunIdentity
from include.tracking.registry import Alias, Registry

PIPELINE = "flights"


def main(first: date, last: date) -> None:
    """Ingest the days, train on them, and look at the last night."""
    services = Services(
        lake=LakeConnection(**json.loads(os.environ["BENCH_LAKE"])),
        tracking_uri=os.environ["MLFLOW_TRACKING_URI"],
        pipelines=Path(os.environ["MILLRACE_PIPELINES"]),
    )
    _ingest(services, first, last)
    _train(services, last)
    _monitor(services, last)


def _ingest(services: Services, first: date, last: date) -> None:
    folder = services.pipelines / PIPELINE
    spec = loader.load(folder)
    lake = Lake(services.lake, spec.lake.repository)
    table, who = Table(lake, spec.lake.table), RunIdentity(dag_id="script.ingest", run_id=f"{first}_{last}")
    branch = f"ingest-{first}-{who.short_hash}"
    lake.create_branch(branch, spec.lake.branch)
    load.load(spec, table, branch, first, last, folder=folder, run=who)
    checked = check.check(
        spec, table, branch, first, last, folder=folder, run=who, tracking_uri=services.tracking_uri
    )
    _insist(checked.verdict.passed, "validation")
    publish(lake, branch, into=spec.lake.branch, run=who)


def _train(services: Services, last: date) -> None:
    spec = loader.load(services.pipelines / PIPELINE)
    lake, who = (
        Lake(services.lake, spec.lake.repository),
        RunIdentity(dag_id="script.train", run_id=f"{last}"),
    )
    commit = lake.create_tag(f"train-{who.short_hash}", spec.lake.branch)

    def job(name: Job, **fields: str) -> dict[str, object]:
        told = JobSpec(
            job=name, pipeline=PIPELINE, commit=commit, until=str(last), run_key=f"{who.key}/{name}", **fields
        )
        return run(told, services, who)

    trained = str(job(Job.TRAIN)["run_id"])
    scores = job(Job.EVALUATE, candidate=trained)
    _insist(promotion.evaluate_gate(spec, scores, tracking_uri=services.tracking_uri, run=who).passed, "gate")
    version = promotion.register(spec, trained, tracking_uri=services.tracking_uri)
    promotion.promote(spec, version, reason="bench", tracking_uri=services.tracking_uri, run=who)


def _monitor(services: Services, night: date) -> None:
    spec = loader.load(services.pipelines / PIPELINE)
    lake, who = (
        Lake(services.lake, spec.lake.repository),
        RunIdentity(dag_id="script.monitor", run_id=f"{night}"),
    )
    version = Registry(services.tracking_uri).version_of(spec.name, Alias.CHAMPION)
    commit = lake.resolve(spec.lake.branch)
    for name in (Job.SCORE, Job.MEASURE):
        told = JobSpec(
            job=name,
            pipeline=PIPELINE,
            commit=commit,
            until=str(night),
            run_key=f"{who.key}/{name}",
            version=version,
        )
        commit = str(run(told, services, who).get("commit", commit))
    judged = decide(spec, tracking_uri=services.tracking_uri, night=night, version=int(version or 0), run=who)
    _insist(judged is not None, "verdict of the night")


def _insist(true: bool, what: str) -> None:
    if not true:
        raise SystemExit(f"the loop was not walked to its end: no {what}")


if __name__ == "__main__":
    main(*(date.fromisoformat(argument) for argument in sys.argv[1:]))
