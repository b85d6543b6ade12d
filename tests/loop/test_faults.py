"""The loop under harm: workers killed in the middle, services away. Nothing lost, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date

import pytest

from include.governance.ledger import Event, Ledger
from include.lake.table import Table
from include.platform.demo.airflow import RunFailed
from include.platform.embedded.environment import urls
from include.tracking.names import ledger_runs, training_runs
from include.tracking.registry import Alias, Registry
from include.tracking.tags import Tag
from tests.support.faults import (
    SOON,
    announced,
    down,
    frozen,
    frozen_once,
    kill_worker,
    state,
    wait_until,
)
from tests.support.stack import RunningStack, run_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

JANUARY = {"start": "2013-01-01", "end": "2013-01-31"}
ROWS_OF_JANUARY = 27_004
INGEST, TRAIN = "flights.ingest", "flights.train"


@pytest.fixture(scope="module")
def harmed() -> Iterator[RunningStack]:
    """A stack that these tests harm, one after the other."""
    with run_stack() as stack:
        for dag_id in (INGEST, TRAIN):
            stack.airflow.wait_for_dag(dag_id)
        yield stack


def table(running: RunningStack) -> Table:
    return Table(running.lake("flights"), "departures")


def rows(running: RunningStack, first: date, last: date) -> dict[date, int]:
    """The number of rows of each day on main, where each day is one file."""
    found = table(running)
    parts = found.parts("main", first, last)
    counts = {day: part.num_rows for day, part in found.partitions("main", first, last, ["late"])}
    assert {day: len(files) for day, files in parts.items()} == dict.fromkeys(counts, 1)
    return counts


def contents(running: RunningStack) -> int:
    """Count the contents that the lake has stored, without a call to it."""
    return sum(1 for _ in (running.settings.var / "lakefs" / "objects").glob("[0-9a-f][0-9a-f]/*"))


def test_a_worker_killed_during_load(harmed: RunningStack) -> None:
    run = INGEST, "killed-in-load"
    before = contents(harmed)
    harmed.airflow.start(*run, JANUARY)
    with frozen_once(harmed, "lake", lambda: contents(harmed) > before + 5):
        assert contents(harmed) < before + 31  # a part for each day
        kill_worker(harmed, *run, "load")
    harmed.airflow.finish(*run)
    found = rows(harmed, date(2013, 1, 1), date(2013, 1, 31))
    assert (len(found), sum(found.values())) == (31, ROWS_OF_JANUARY)


def test_a_worker_killed_during_publish_when_the_merge_takes_effect_unseen(harmed: RunningStack) -> None:
    run = INGEST, "killed-in-publish"
    harmed.airflow.start(*run, {"end": "2013-02-01"})
    wait_until(lambda: state(harmed, *run, "validate") == "success", every=SOON)
    with frozen(harmed, "lake"):
        wait_until(lambda: state(harmed, *run, "publish") == "running", every=SOON)
        time.sleep(0.5)  # the request is on its way
        kill_worker(harmed, *run, "publish")
    harmed.airflow.finish(*run)
    assert rows(harmed, date(2013, 2, 1), date(2013, 2, 1)) == {date(2013, 2, 1): 926}
    published = [
        commit
        for commit in table(harmed).lake.log("main")
        if commit.metadata.get("run_id") == run[1] and len(commit.parents) == 2
    ]
    assert [commit.metadata["code_version"] for commit in published] == ["0123abc"]
    assert list(table(harmed).lake.list_branches("ingest-")) == []
    [told] = announced(harmed, *run)
    assert (told["commit"], told["partition"], told["rows"]) == (published[0].id, "2013-02-01", "926")


def test_a_worker_killed_during_promote(harmed: RunningStack) -> None:
    run = TRAIN, "killed-in-promote"
    harmed.airflow.start(*run, {"reason": "a test of a kill", "until": "2013-01-31"})
    wait_until(lambda: state(harmed, *run, "register") == "success", 180, every=SOON)
    with frozen(harmed, "mlflow"):
        wait_until(lambda: state(harmed, *run, "promote") == "running", every=SOON)
        time.sleep(0.5)
        kill_worker(harmed, *run, "promote")
    harmed.airflow.finish(*run)
    server = harmed.tracking()
    found = {alias: Registry(server).version_of("flights", alias) for alias in Alias}
    assert found == {Alias.CANDIDATE: None, Alias.CHAMPION: 1, Alias.PREVIOUS: None}
    assert [entry.version for entry in Ledger(ledger_runs(server, "flights")).entries(Event.PROMOTED)] == [1]


def test_a_run_goes_on_after_the_stack_was_stopped_while_it_trained(harmed: RunningStack) -> None:
    run = TRAIN, "stopped-in-train"
    harmed.airflow.start(*run, {"reason": "a test of a stop", "until": "2013-01-31"})
    wait_until(lambda: state(harmed, *run, "train") == "running", 180, every=SOON)

    harmed.stack.down(lambda text: None)
    harmed.stack.up(lambda text: None)
    harmed.airflow.finish(*run)

    server = harmed.tracking()
    key = f"{run[0]}/{run[1]}"
    trained = training_runs(server, "flights").find_runs({Tag.RUN_KEY: f"{key}/train"}, limit=10)
    assert len(trained) == 1
    decided = [entry for entry in Ledger(ledger_runs(server, "flights")).entries() if entry.by == key]
    assert len(decided) == 1


def test_a_lake_that_is_down_is_retried_then_named_and_a_clear_finishes(harmed: RunningStack) -> None:
    run = INGEST, "without-lake"
    with down(harmed, "lake"):
        harmed.airflow.start(*run, {"end": "2013-02-02"})
        wait_until(lambda: state(harmed, *run, "open_branch") == "up_for_retry", every=SOON)
        with pytest.raises(RunFailed, match="open_branch"):
            harmed.airflow.finish(*run)
    log = harmed.settings.var / f"log/tasks/dag_id={run[0]}/run_id={run[1]}/task_id=open_branch/attempt=5.log"
    assert f"the lake at '{urls(harmed.settings)['lake']}' does not answer" in log.read_text()
    harmed.airflow.run(*run, {"end": "2013-02-02"})
    assert rows(harmed, date(2013, 2, 2), date(2013, 2, 2)) == {date(2013, 2, 2): 682}


def test_an_mlflow_that_is_down_is_retried_then_named_and_a_clear_finishes(harmed: RunningStack) -> None:
    run = INGEST, "without-mlflow"
    with down(harmed, "mlflow"):
        harmed.airflow.start(*run, {"end": "2013-02-03"})
        with pytest.raises(RunFailed, match="validate"):
            harmed.airflow.finish(*run)
        assert rows(harmed, date(2013, 2, 3), date(2013, 2, 3)) == {}
    log = harmed.settings.var / f"log/tasks/dag_id={run[0]}/run_id={run[1]}/task_id=validate/attempt=5.log"
    assert f"MLflow at '{urls(harmed.settings)['mlflow']}' does not answer" in log.read_text()
    harmed.airflow.run(*run, {"end": "2013-02-03"})
    assert rows(harmed, date(2013, 2, 3), date(2013, 2, 3)) == {date(2013, 2, 3): 814}
