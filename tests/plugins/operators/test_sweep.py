"""The task that closes MLflow runs whose DAG run is over."""

from __future__ import annotations

from millrace.operators.sweep import SweepOperator
from tests.support.loop import Loop
from tests.support.task import Task


def torn(shop: Loop, run_id: str) -> str:
    """A training that was begun for a DAG run, and not ended."""
    experiment, key = shop.experiment("train"), f"{shop.folder.name}.train/{run_id}/train"
    made = experiment.client.create_run(experiment.id, tags={"millrace.run_key": key})
    return str(made.info.run_id)


def test_only_runs_whose_dag_run_is_over_are_closed(shop: Loop) -> None:
    states = {"over": "failed", "done": "success", "on": "running", "waits": "queued"}
    runs = {run_id: torn(shop, run_id) for run_id in (*states, "unknown")}
    task = Task(
        SweepOperator(task_id="sweep", pipeline_name=shop.folder.name),
        dag_runs={(f"{shop.folder.name}.train", run_id): state for run_id, state in states.items()},
    )
    assert set(task.run()["closed"]) == {runs["over"], runs["done"]}
    assert {run_id: shop.logged(run).info.status for run_id, run in runs.items()} == {
        "over": "KILLED",
        "done": "KILLED",
        "on": "RUNNING",
        "waits": "RUNNING",
        "unknown": "RUNNING",
    }
