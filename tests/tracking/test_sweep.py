"""Runs that nobody works on any more, and those that somebody does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from include.run_identity import RunIdentity
from include.tracking.names import experiments, ledger_runs, training_runs
from include.tracking.owner import Owner
from include.tracking.server import TrackingServer
from include.tracking.sweep import close_stale
from include.tracking.tags import Tag, run_tags

STATES = {"r-over": False, "r-going-on": True}


@pytest.fixture
def name() -> str:
    """A pipeline of the test's own."""
    return f"orders_{uuid4().hex}"


def lives(owner: Owner) -> bool | None:
    return STATES.get(owner.run_id)


def leave(server: TrackingServer, name: str, run_id: str) -> str:
    """A training of a worker that was lost."""
    run, runs = RunIdentity(dag_id=f"{name}.train", run_id=run_id), training_runs(server, name)
    tags = {**run_tags(run), Tag.RUN_KEY: f"{run.key}/train"}
    return str(runs.client.create_run(runs.id, tags=tags).info.run_id)


def sweep(server: TrackingServer, name: str, *, hours: float = 0) -> set[str]:
    now = datetime.now(UTC) + timedelta(hours=hours)
    return {run.id for run in close_stale(experiments(server, name), lives, now=now)}


def status(server: TrackingServer, name: str, run_id: str) -> str:
    return str(training_runs(server, name).get_run(run_id).info.status)


def test_a_run_whose_owner_is_over_is_closed_and_a_living_one_is_left(
    tracking: TrackingServer, name: str
) -> None:
    stale, living = leave(tracking, name, "r-over"), leave(tracking, name, "r-going-on")
    assert sweep(tracking, name, hours=1000) == {stale}
    assert (status(tracking, name, stale), status(tracking, name, living)) == ("KILLED", "RUNNING")
    assert sweep(tracking, name) == set()


def test_a_run_that_airflow_does_not_know_is_closed_after_a_day(tracking: TrackingServer, name: str) -> None:
    by_hand = leave(tracking, name, "r-by-hand")
    assert sweep(tracking, name, hours=23) == set()
    assert sweep(tracking, name, hours=25) == {by_hand}


def test_a_decision_belongs_to_the_run_that_took_it(tracking: TrackingServer, name: str) -> None:
    ledger = ledger_runs(tracking, name)
    tags = {Tag.RUN_KEY: "retrain held/r-going-on", Tag.BY: f"{name}.monitor/r-over"}
    torn = ledger.client.create_run(ledger.id, tags=tags).info.run_id
    assert sweep(tracking, name) == {torn}


def test_a_finished_run_and_other_pipelines_are_left_alone(tracking: TrackingServer, name: str) -> None:
    with training_runs(tracking, name).attempts(f"{name}.train/r-over/train").start(name="n", tags={}) as run:
        pass
    other = leave(tracking, f"{name}_other", "r-over")
    assert sweep(tracking, name) == set()
    assert status(tracking, name, run.id) == "FINISHED"
    assert status(tracking, f"{name}_other", other) == "RUNNING"


def test_a_run_of_another_program_is_left_alone(tracking: TrackingServer, name: str) -> None:
    runs = training_runs(tracking, name)
    notebook = str(runs.client.create_run(runs.id).info.run_id)
    assert sweep(tracking, name, hours=1000) == set()
    assert status(tracking, name, notebook) == "RUNNING"


def test_a_pipeline_without_experiments_gets_none(tracking: TrackingServer, name: str) -> None:
    assert sweep(tracking, name) == set()
    assert [tracking.client.get_experiment_by_name(one.name) for one in experiments(tracking, name)] == [
        None
    ] * 5
