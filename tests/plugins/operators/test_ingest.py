"""The tasks of an ingest run: load, validate, quarantine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent, BadData, Misconfigured
from include.lake.client import Lake
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer
from millrace.operators.ingest import (
    LoadOperator,
    OpenBranchOperator,
    PublishOperator,
    QuarantineOperator,
    ReportBadDaysOperator,
    ValidateOperator,
)
from millrace.xcom import FAULT
from tests.support.dags import dag_bag
from tests.support.pipeline import orders, write_csv, write_pipeline
from tests.support.task import Task

BRANCH = "ingest-2024-03-01-abcd"
DAYS = {"branch": BRANCH, "first": "2024-03-01", "last": "2024-03-02"}
MakeShop = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, lake: Lake, connections: None, use_pipelines: Callable[[Path], None]) -> MakeShop:
    """Makes a pipeline with two days, and opens the run's branch."""

    def write(days: tuple[int, ...] = (0, 1), **changes: Any) -> Path:
        name = f"orders_{uuid4().hex[:12]}"
        folder = write_pipeline(tmp_path, name, lake={"repository": lake.repository}, **changes)
        write_csv(folder / "orders.csv", orders(*days))
        lake.create_branch(BRANCH, "main")
        use_pipelines(tmp_path)
        return folder

    return write


def load(folder: Path) -> Task:
    return Task(LoadOperator(task_id="load", pipeline_name=folder.name, **DAYS))


def validate(folder: Path) -> Task:
    return Task(ValidateOperator(task_id="validate", pipeline_name=folder.name, **DAYS))


def quarantine(folder: Path, left: dict[tuple[str, str], Any]) -> Task:
    with DAG("orders.ingest", schedule=None):
        before = [
            LoadOperator(task_id="load", pipeline_name=folder.name, **DAYS),
            ValidateOperator(task_id="validate", pipeline_name=folder.name, **DAYS),
        ]
        last = QuarantineOperator(task_id="quarantine", pipeline_name=folder.name, **DAYS)
        before >> last
    return Task(last, xcoms=left)


def open_branch(repository: str, source: str = "main") -> Task:
    return Task(OpenBranchOperator(task_id="open", repository=repository, branch=BRANCH, source=source))


def name_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = json.loads(os.environ["AIRFLOW_CONN_LAKEFS_DEFAULT"])
    extra = {**connection.get("extra", {}), "storage": "local://"}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps({**connection, "extra": extra}))


@pytest.mark.usefixtures("connections")
def test_the_repository_of_a_new_pipeline_is_created_where_the_connection_names_the_storage(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = f"new-{uuid4().hex[:8]}"
    with pytest.raises(Absent, match=r"`make up` on one machine and `make compose DO=up` on one server"):
        open_branch(new).run()
    name_storage(monkeypatch)
    opened = open_branch(new, "trunk").run()
    assert opened == {"branch": BRANCH, "commit": Lake(lake.connection, new).resolve("trunk")}
    assert open_branch(new, "trunk").run() == opened


@pytest.mark.usefixtures("connections")
def test_a_branch_that_a_repository_lacks_is_not_created(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    name_storage(monkeypatch)
    with pytest.raises(Absent, match="from 'trunk'"):
        open_branch(lake.repository, "trunk").run()
    assert list(lake.list_branches()) == ["main"]


def test_a_load_tells_what_it_wrote_and_writes_nothing_twice(make: MakeShop, lake: Lake) -> None:
    task = load(make())
    first = task.run()
    assert json.loads(json.dumps(first)) == first
    assert (first["rows"], first["partitions"], first["written"]) == (8, 2, 2)
    assert (first["commit"], len(first["source_checksum"])) == (lake.resolve(BRANCH), 64)
    assert task.run() == {**first, "written": 0}


def test_a_source_that_cannot_be_read_leaves_its_fault(make: MakeShop) -> None:
    folder = make()
    (folder / "orders.csv").unlink()
    task = load(folder)
    with pytest.raises(BadData) as caught:
        task.run()
    assert task.xcoms == {("load", FAULT): {"reasons": [str(caught.value)]}}


def test_good_rows_have_a_verdict_and_a_report(make: MakeShop, tracking: TrackingServer) -> None:
    folder = make()
    load(folder).run()
    found = validate(folder).run()
    assert (found["passed"], found["numbers"]["rows"]) == (True, 8)
    experiment = Experiment(tracking, f"{folder.name}.ingest")
    assert found["link"].startswith(f"{tracking.uri}/#/experiments/{experiment.id}/runs/")


def ingest(folder: Path, lake: Lake, day: str) -> Task:
    """The task that publishes a day of a pipeline, which is loaded and checked on a branch of its own."""
    branch = f"ingest-{folder.name}-{day}"
    lake.create_branch(branch, "main")
    days = {"pipeline_name": folder.name, "branch": branch, "first": day, "last": day}
    Task(LoadOperator(task_id="load", **days)).run()
    assert Task(ValidateOperator(task_id="validate", **days)).run()["passed"]
    publish = PublishOperator(
        task_id="publish",
        pipeline_name=folder.name,
        repository=lake.repository,
        source=branch,
        metadata={"pipeline": folder.name},
    )
    return Task(publish, run_id=branch)


def test_of_two_pipelines_that_write_a_new_table_at_once_the_second_is_refused(
    make: MakeShop, lake: Lake
) -> None:
    first, second = make(), make()
    one, other = ingest(first, lake, "2024-03-01"), ingest(second, lake, "2024-03-02")
    published = one.run()
    with pytest.raises(Misconfigured) as caught:
        other.run()
    assert str(caught.value) == (
        f"table 'orders' on 'main' of {lake.repository!r} belongs to pipeline {first.name!r}, which has "
        f"written it: change lake.table or lake.repository of {second.name!r}"
    )
    assert lake.resolve("main") == published["commit"]
    assert lake.ref_exists(other.operator.source)
    assert (one.run(), other.xcoms) == (published, {})
    assert ingest(first, lake, "2024-03-02").run()["changed"]


def test_two_runs_of_one_pipeline_may_write_its_new_table_at_once(make: MakeShop, lake: Lake) -> None:
    folder = make()
    tasks = [ingest(folder, lake, day) for day in ("2024-03-01", "2024-03-02")]
    assert [task.run()["changed"] for task in tasks] == [True, True]
    again = ingest(folder, lake, "2024-03-01")
    again.run_id = "another"
    with pytest.raises(AirflowSkipException, match="'main' already contains"):
        again.run()


def bad(make: MakeShop, on_failure: str) -> Path:
    """A pipeline with a broken rule, loaded."""
    folder = make(validation={"on_failure": on_failure})
    write_csv(folder / "orders.csv", [{**row, "kind": "pony"} for row in orders(0, 1)])
    load(folder).run()
    return folder


@pytest.mark.parametrize(("on_failure", "kept"), [("quarantine", True), ("fail", False)])
def test_bad_rows_fail_with_their_rule_and_go_where_the_contract_says(
    make: MakeShop, lake: Lake, on_failure: str, kept: bool
) -> None:
    folder = bad(make, on_failure)
    failed = validate(folder)
    with pytest.raises(BadData, match=rf"1 rule\(s\) failed on '{BRANCH}': .*kind.*Report: ") as caught:
        failed.run()
    fault = failed.xcoms["validate", FAULT]
    assert "pony" not in str(caught.value) + json.dumps(fault)
    told = quarantine(folder, failed.xcoms).run()
    name = BRANCH.replace("ingest-", "quarantine-")
    assert told == {"branch": name if kept else None, "reasons": fault["reasons"]}
    assert (lake.ref_exists(name), lake.ref_exists(BRANCH)) == (kept, False)
    assert quarantine(folder, failed.xcoms).run() == told


def test_a_pipeline_that_only_warns_goes_on(make: MakeShop) -> None:
    found = validate(bad(make, "warn")).run()
    assert (found["passed"], len(found["reasons"])) == (False, 1)


def test_without_a_fault_of_the_data_nothing_is_put_away(make: MakeShop, lake: Lake) -> None:
    folder = make()
    with pytest.raises(AirflowSkipException, match="the data is not to blame"):
        quarantine(folder, {}).run()
    assert lake.ref_exists(BRANCH)


def test_days_that_are_left_out_make_the_run_red_until_somebody_has_decided(
    make: MakeShop, lake: Lake
) -> None:
    folder = make(validation={"publish": "good_partitions"})
    write_csv(folder / "orders.csv", [*orders(0), *({**row, "kind": "pony"} for row in orders(1))])
    loaded = load(folder).run()["commit"]
    checked = Task(
        ValidateOperator(task_id="validate", pipeline_name=folder.name, loaded=loaded, base="main", **DAYS)
    )
    found = checked.run()
    assert (found["left_out"], found["left_out_rows"], checked.xcoms) == ("2024-03-02", 4, {})
    report = Task(
        ReportBadDaysOperator(task_id="report", pipeline_name=folder.name, checked_by="validate"),
        xcoms={("validate", "return_value"): found},
    )
    with pytest.raises(BadData, match=r"published without 2024-03-02; they are kept in 'quarantine-.*kind"):
        report.run()
    assert report.xcoms["report", FAULT]["link"] == found["link"]
    lake.delete_branch(found["quarantine"])
    assert report.run() == {"left_out": ""}


@pytest.mark.parametrize("publish", ["all", "good_partitions"])
def test_only_a_contract_that_leaves_days_out_reports_them(make: MakeShop, publish: str) -> None:
    folder = make(validation={"publish": publish})
    dag = dag_bag().dags[f"{folder.name}.ingest"]
    reports = [task for task in dag.tasks if isinstance(task, ReportBadDaysOperator)]
    assert [task.task_id for task in reports] == (["report_bad_days"] if publish != "all" else [])
    for task in reports:
        assert (task.upstream_task_ids, task.trigger_rule) == ({"publish"}, "none_failed")
        assert dag.leaves[0].task_id in {"quarantine", "report_bad_days"}


def test_rows_that_cannot_be_read_are_kept_without_a_report(make: MakeShop, lake: Lake) -> None:
    folder = make()
    quarantine(folder, {("load", FAULT): {"reasons": ["'orders.csv' is empty"]}}).run()
    metadata = lake.get_commit(BRANCH.replace("ingest-", "quarantine-")).metadata
    assert (metadata["quarantine.report"], metadata["quarantine.days"]) == ("", "2024-03-01_2024-03-02")
