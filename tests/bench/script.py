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
from typing import Any

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.governance import promotion
from include.governance.ledger import Ledger
from include.ingestion.check import check
from include.ingestion.ingestion import Ingestion
from include.ingestion.load import load
from include.jobs.context import Services
from include.jobs.results import ScoreResult, TrainResult
from include.jobs.runner import run_job
from include.jobs.spec import Job, JobSpec
from include.lake.client import Lake, LakeConnection
from include.lake.merge import publish
from include.lake.table import Table
from include.modelling.comparison import Scores
from include.monitoring.decision import decide
from include.monitoring.history import MonitoringHistory
from include.run_identity import RunIdentity
from include.tracking.names import ledger_runs, monitoring_runs, training_runs, validation_runs
from include.tracking.registry import Alias, Registry
from include.tracking.server import TrackingServer

PIPELINE = "flights"


def main(first: date, last: date) -> None:
    """Ingest the days, train on them, and monitor the last one."""
    services = Services(
        lake=LakeConnection(**json.loads(os.environ["BENCH_LAKE"])),
        tracking=TrackingServer(**json.loads(os.environ["BENCH_MLFLOW"])).log_in(),
        pipelines=Path(os.environ["MILLRACE_PIPELINES"]),
    )
    pipeline = loader.load(services.pipelines / PIPELINE)
    table = Table(Lake(services.lake, pipeline.lake.repository), pipeline.lake.table)
    ledger = Ledger(ledger_runs(services.tracking, PIPELINE))
    _ingest(services, pipeline, table, first, last)
    _train(services, pipeline, table.lake, ledger, last)
    _monitor(services, pipeline, table.lake, ledger, last)


def _ingest(services: Services, pipeline: Pipeline, table: Table, first: date, last: date) -> None:
    run = RunIdentity(dag_id="script.ingest", run_id=f"{first}_{last}")
    branch, into = f"ingest-{first}-{run.short_hash}", pipeline.lake.branch
    ingestion = Ingestion(
        pipeline=pipeline,
        folder=services.pipelines / PIPELINE,
        table=table,
        branch=branch,
        first=first,
        last=last,
        run=run,
    )
    table.lake.create_branch(branch, into)
    load(ingestion)
    _require(check(ingestion, validation_runs(services.tracking, PIPELINE)).passed, "validation")
    publish(table.lake, branch, into=into, run=run)


def _train(services: Services, pipeline: Pipeline, lake: Lake, ledger: Ledger, last: date) -> None:
    run, registry = RunIdentity(dag_id="script.train", run_id=f"{last}"), Registry(services.tracking)
    commit = lake.create_tag(f"train-{run.short_hash}", pipeline.lake.branch)
    trained = run_job(_spec(Job.TRAIN, run, commit, last), services, run)
    assert isinstance(trained, TrainResult)
    scores = run_job(_spec(Job.EVALUATE, run, commit, last, candidate=trained.run_id), services, run)
    assert isinstance(scores, Scores)
    _require(promotion.evaluate_gate(pipeline, scores, ledger=ledger, run=run).passed, "gate")
    version = registry.register(PIPELINE, training_runs(services.tracking, PIPELINE).open_run(trained.run_id))
    promotion.promote(
        PIPELINE,
        version,
        compared_with=scores.champion_version,
        reason="bench",
        registry=registry,
        ledger=ledger,
        run=run,
    )


def _monitor(services: Services, pipeline: Pipeline, lake: Lake, ledger: Ledger, last: date) -> None:
    run = RunIdentity(dag_id="script.monitor", run_id=f"{last}")
    version = Registry(services.tracking).version_of(PIPELINE, Alias.CHAMPION) or 0
    commit = lake.resolve(pipeline.lake.branch)
    scored = run_job(_spec(Job.SCORE, run, commit, last, version=version), services, run)
    assert isinstance(scored, ScoreResult)
    measure = _spec(Job.MEASURE, run, commit, last, version=version, predictions_commit=scored.commit)
    run_job(measure, services, run)
    history = MonitoringHistory(monitoring_runs(services.tracking, PIPELINE))
    decision = decide(pipeline, history, ledger, as_of=last, version=version, run=run)
    _require(decision is not None, "verdict of the day")


def _spec(job: Job, run: RunIdentity, commit: str, last: date, **fields: Any) -> JobSpec:
    return JobSpec(
        job=job,
        pipeline_name=PIPELINE,
        commit=commit,
        until=str(last),
        run_key=f"{run.key}/{job}",
        **fields,
    )


def _require(true: bool, what: str) -> None:
    if not true:
        raise SystemExit(f"the loop was not walked to its end: no {what}")


if __name__ == "__main__":
    main(*(date.fromisoformat(argument) for argument in sys.argv[1:]))
