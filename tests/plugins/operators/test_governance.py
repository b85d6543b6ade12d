"""The tasks of a training run around its jobs: pin, gate, register, promote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DownstreamTasksSkipped
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from include.exceptions import Misconfigured, NotEnoughData
from include.tracking.registry import Alias, Registry
from millrace.operators.governance import ApproveOperator, GateOperator, PromoteOperator, RegisterOperator
from millrace.operators.snapshot import PinOperator
from tests.support.loop import Loop, rows
from tests.support.models import training_run
from tests.support.task import Task, run

SCORES = {
    "training_run": "run",
    "metric": "roc_auc",
    "rows": 600,
    "candidate": 0.7,
    "champion": None,
    "champion_version": None,
    "slice_drop": None,
    "latency_ms": 1.0,
}


def pin(shop: Loop, ref: str = "", until: str = "", tag: str = "") -> Any:
    tag = tag or f"train-{shop.folder.name}"
    return run(PinOperator(task_id="pin", pipeline_name=shop.folder.name, ref=ref, until=until, tag=tag))


def test_a_pin_holds_the_newest_day_of_the_branch_though_the_branch_moves_on(shop: Loop) -> None:
    first = pin(shop)
    assert first == {"commit": shop.head, "until": "2024-03-30", "tag": f"train-{shop.folder.name}"}
    shop.put({30: rows(30)})
    assert pin(shop) == first
    assert pin(shop, tag=f"later-{shop.folder.name}")["until"] == "2024-03-31"


@pytest.mark.parametrize(
    ("asked", "until"),
    [("2024-03-20", "2024-03-20"), ("2024-03-30", "2024-03-30"), ("2030-01-01", "2024-03-30")],
)
def test_the_last_day_is_the_one_asked_for_if_there_is_data_of_it(shop: Loop, asked: str, until: str) -> None:
    assert pin(shop, until=asked)["until"] == until


def test_any_version_of_the_data_can_be_pinned(shop: Loop) -> None:
    before = shop.head
    shop.put({30: rows(30)})
    assert pin(shop, ref=before) | {"tag": ""} == {"commit": before, "until": "2024-03-30", "tag": ""}


def test_a_version_that_is_not_there_or_has_no_data_is_refused(shop: Loop) -> None:
    with pytest.raises(Misconfigured, match="ref 'nowhere' does not exist; give a branch, tag or commit"):
        pin(shop, ref="nowhere")
    shop.lake.create_branch(f"{shop.folder.name}-empty", "main~1")
    with pytest.raises(NotEnoughData, match=r"'orders' has no partition at .*; run the pipeline's"):
        pin(shop, ref=f"{shop.folder.name}-empty")


def gate(shop: Loop, candidate: float) -> Task:
    with DAG(f"{shop.folder.name}.train", schedule=None):
        task = GateOperator(task_id="gate", pipeline_name=shop.folder.name, scores_from="evaluate")
        task >> EmptyOperator(task_id="register") >> EmptyOperator(task_id="promote")
    return Task(task, xcoms={("evaluate", "return_value"): {**SCORES, "candidate": candidate}})


def test_a_candidate_that_passes_goes_on(shop: Loop) -> None:
    found = gate(shop, 0.7).run()
    assert (found["passed"], found["reasons"]) == (True, ["roc_auc 0.7000 is at least the minimum (0.6000)"])


def test_a_candidate_that_fails_ends_the_run_green_with_one_line_in_the_ledger(shop: Loop) -> None:
    reason = "roc_auc 0.5000 is below the minimum (0.6000)"
    for _ in range(2):
        task = gate(shop, 0.5)
        with pytest.raises(DownstreamTasksSkipped) as caught:
            task.run()
        assert caught.value.tasks == ["register"]
        assert task.xcoms["gate", "return_value"]["reasons"] == [reason]
    [entry] = shop.ledger.entries()
    assert (entry.event.value, entry.reason) == ("rejected", reason)


def register(shop: Loop, training: str) -> Any:
    return run(RegisterOperator(task_id="register", pipeline_name=shop.folder.name, training_run=training))


def promote(shop: Loop, version: int, run_id: str, champion: int | None, fault: str | None = None) -> Any:
    """With the version as text, as a template gives it."""
    metric = None if champion is None or fault else 0.6
    scores = {"champion": metric, "champion_version": champion, "champion_fault": fault}
    task = PromoteOperator(
        task_id="promote",
        pipeline_name=shop.folder.name,
        version=f"{version}",
        scores_from="evaluate",
        reason="because {{ run_id }}",
    )
    return run(task, run_id, evaluate={**SCORES, **scores})


def answer(shop: Loop, choice: str, who: str | None) -> Task:
    """The task that requested approval, as it goes on with the response."""
    with DAG(f"{shop.folder.name}.train", schedule=None):
        task = ApproveOperator(
            task_id="approve",
            pipeline_name=shop.folder.name,
            version="1",
            subject="?",
            response_timeout=timedelta(days=3),
        )
        task >> EmptyOperator(task_id="promote")
    said = Task(task)
    event = {
        "chosen_options": [choice],
        "params_input": {},
        "responded_at": datetime(2024, 3, 31, tzinfo=UTC),
        "responded_by_user": who and {"id": "1", "name": who},
    }
    task.execute_complete(said.context, event)
    return said


def test_a_yes_leaves_the_decision_to_what_follows(shop: Loop) -> None:
    register(shop, training_run(shop.tracking))
    answer(shop, "Approve", "Ada")
    assert Registry(shop.tracking).version_of(shop.folder.name, Alias.CANDIDATE) == 1
    assert list(shop.ledger.entries()) == []


@pytest.mark.parametrize(
    ("who", "reason"), [("Ada", "refused by Ada"), (None, "no response within 3 days, 0:00:00")]
)
def test_a_no_is_one_line_in_the_ledger_and_no_candidate_is_left(
    shop: Loop, who: str | None, reason: str
) -> None:
    register(shop, training_run(shop.tracking))
    for _ in range(2):
        with pytest.raises(DownstreamTasksSkipped) as caught:
            answer(shop, "Reject", who)
        assert caught.value.tasks == ["promote"]
    assert Registry(shop.tracking).version_of(shop.folder.name, Alias.CANDIDATE) is None
    [entry] = shop.ledger.entries()
    assert (entry.event.value, entry.version, entry.reason) == ("rejected", 1, reason)


def test_the_ledger_says_why_a_champion_was_replaced_without_a_comparison(shop: Loop) -> None:
    for number in (1, 2):
        register(shop, training_run(shop.tracking))
        promote(shop, number, f"r{number}", number - 1 or None, "column 'weight' is missing")
    newest = shop.ledger.entries()[0]
    assert (newest.version, newest.reason) == (
        2,
        "because r2; not compared with the champion (version 1): column 'weight' is missing",
    )


def test_versions_are_registered_and_promoted_once(shop: Loop) -> None:
    training = [training_run(shop.tracking) for _ in range(2)]
    for number, trained in enumerate(training, 1):
        assert register(shop, trained) == register(shop, trained) == {"version": number}
        champion = number - 1 or None
        result = promote(shop, number, f"r{number}", champion)
        assert result == promote(shop, number, f"r{number}", champion)
    assert result == {"champion": 2, "previous": 1}
    assert Registry(shop.tracking).version_of(shop.folder.name, Alias.CANDIDATE) is None
    entries = shop.ledger.entries()
    assert [(entry.version, entry.reason) for entry in entries] == [(2, "because r2"), (1, "because r1")]
