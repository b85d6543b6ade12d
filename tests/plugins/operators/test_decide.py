"""The tasks of a decide run: find a quarantine, and accept or discard it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import DownstreamTasksSkipped
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent, BadData, Conflict
from include.governance.ledger import Ledger
from include.lake.client import Lake
from include.tracking.names import ledger_runs
from include.tracking.server import TrackingServer
from millrace.operators.decide import AcceptOperator, DiscardOperator, FindQuarantineOperator, ReviewOperator
from tests.support.ingest import IngestRun
from tests.support.pipeline import orders, write_csv, write_pipeline
from tests.support.task import Task

KEPT = "quarantine-test"


@pytest.fixture
def shop(
    tmp_path: Path,
    lake: Lake,
    tracking: TrackingServer,
    connections: None,
    use_pipelines: Callable[[Path], None],
) -> IngestRun:
    """A pipeline with a day in quarantine."""
    name = f"orders_{uuid4().hex[:12]}"
    folder = write_pipeline(tmp_path, name, lake={"repository": lake.repository})
    use_pipelines(tmp_path)
    run = IngestRun(folder, lake, tracking)
    write_csv(folder / "orders.csv", [{**row, "kind": "pony"} for row in orders(0)])
    assert run.quarantine(run.faults(0)) == KEPT
    return run


class Decide:
    """One run of the DAG: its tasks share what they leave."""

    def __init__(self, shop: IngestRun, decision: str, run_id: str, quarantine: str = KEPT) -> None:
        self.name, self.run_id, self.decision, self.quarantine = (
            shop.folder.name, run_id, decision, quarantine
        )  # fmt: skip
        self.xcoms: dict[tuple[str, str], Any] = {}

    def _run(self, operator: Any) -> Any:
        params = {"quarantine": self.quarantine, "decision": self.decision, "reason": "seen by {{ ds }}"}
        task = Task(operator, self.run_id, f"{self.name}.decide", params, xcoms=self.xcoms, user="ada")
        found = task.run()
        self.xcoms[operator.task_id, "return_value"] = found
        return found

    def find(self) -> list[str]:
        """The tasks that are skipped."""
        with DAG(f"{self.name}.decide", schedule=None):
            find = FindQuarantineOperator(
                task_id="find",
                pipeline_name=self.name,
                quarantine="{{ params.quarantine }}",
                skipped="{{ 'discard' if params.decision == 'accept' else 'validate' }}",
            )
            find >> [EmptyOperator(task_id="validate"), EmptyOperator(task_id="discard")]
        with pytest.raises(DownstreamTasksSkipped) as caught:
            self._run(find)
        skipped = [str(task) for task in caught.value.tasks]
        assert self.xcoms["find", "skipmixin_key"] == {"skipped": skipped}
        return sorted(skipped)

    def review(self) -> Any:
        return self._run(
            ReviewOperator(task_id="validate", pipeline_name=self.name, found_by="find", branch="accept-1")
        )

    def publish(self) -> Any:
        return self._run(
            AcceptOperator(
                task_id="publish",
                pipeline_name=self.name,
                found_by="find",
                reviewed_by="validate",
                branch="accept-1",
                reason="{{ params.reason }}",
            )
        )

    def discard(self) -> Any:
        operator = DiscardOperator(
            task_id="discard", pipeline_name=self.name, found_by="find", reason="{{ params.reason }}"
        )
        return self._run(operator)


def reasons(shop: IngestRun) -> list[str]:
    return [entry.reason for entry in Ledger(ledger_runs(shop.tracking, shop.folder.name)).entries()]


def test_an_accepted_quarantine_is_published_and_named(shop: IngestRun) -> None:
    run = Decide(shop, "accept", "r1")
    assert run.find() == ["discard"]
    reviewed = run.review()
    assert (reviewed["passed"], reviewed["rows"], reviewed["days"]) == (False, 4, "2024-03-01")
    merged = run.publish()
    metadata = shop.lake.get_commit("main").metadata
    expected = {
        "pipeline": shop.folder.name,
        "dag_id": f"{shop.folder.name}.decide",
        "run_id": "r1",
        "partition": "2024-03-01",
        "rows": "4",
        "quarantine": KEPT,
        "reason": "seen by {{ ds }}",
        "by": "ada",
    }
    assert expected.items() <= metadata.items()
    assert (metadata["failed_rules"][:5], shop.lake.resolve("main")) == ("kind:", merged["commit"])
    assert reasons(shop) == ["ada: seen by {{ ds }}"]
    assert run.publish() == merged
    assert run.find() == ["discard", "validate"]
    assert not shop.lake.ref_exists(KEPT)


def test_a_discarded_quarantine_is_removed(shop: IngestRun) -> None:
    run = Decide(shop, "discard", "r1")
    assert run.find() == ["validate"]
    assert run.discard() == {"quarantine": KEPT, "days": "2024-03-01"}
    assert list(shop.lake.list_branches()) == ["main"]
    with pytest.raises(Conflict, match="has been decided about: 'discard', by run"):
        Decide(shop, "accept", "r2").find()


def test_what_is_published_already_emits_no_event(shop: IngestRun) -> None:
    shop.load(0)
    shop.publish()
    run = Decide(shop, "accept", "r1")
    run.find()
    run.review()
    with pytest.raises(AirflowSkipException, match="readers saw the rows of 'quarantine-test' already"):
        run.publish()
    assert not shop.lake.ref_exists(KEPT)


def test_a_name_that_is_not_there_is_refused_with_those_that_are(shop: IngestRun) -> None:
    with pytest.raises(Absent, match="name one of: quarantine-test"):
        Decide(shop, "accept", "r1", "quarantine-tests").find()


def test_rows_that_the_contract_cannot_use_are_not_accepted(shop: IngestRun) -> None:
    shop.lake.delete_branch(KEPT)
    write_csv(shop.folder / "orders.csv", [{**row, "returned": 7} for row in orders(0)])
    shop.quarantine(shop.faults(0))
    run = Decide(shop, "accept", "r1")
    run.find()
    with pytest.raises(BadData, match=r"returned: expect_column_values_to_be_0_or_1 \(model.target\) failed"):
        run.review()
    assert run.find() == ["discard"]
