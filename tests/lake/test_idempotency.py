"""A step makes its commit once, whichever try makes it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from include.lake.client import Lake
from include.lake.idempotency import CommitResult, commit_once
from include.run_identity import RunIdentity

RUN = RunIdentity(dag_id="d", run_id="r", logical_date="2024-01-01", code_version="f00d")
AGAIN = replace(RUN, try_number=2)


def step(lake: Lake, run: RunIdentity = RUN, name: str = "undo", empty: bool = True) -> CommitResult:
    return commit_once(
        lake,
        "main",
        name,
        lambda names: lake.commit("main", name, names, allow_empty=empty),
        run=run,
        metadata={"k": "v"},
    )


def test_a_commit_carries_run_and_step(lake: Lake) -> None:
    result = step(lake)
    assert result == CommitResult(lake.resolve("main"), changed=True)
    metadata = {**RUN.metadata(), "k": "v", "step": "undo"}
    assert lake.get_commit("main").metadata == metadata
    assert metadata["code_version"] == "f00d"


def test_a_second_try_finds_what_the_first_made(lake: Lake) -> None:
    result = step(lake)
    lake.commit("main", "of somebody else", {}, allow_empty=True)
    assert step(lake, AGAIN) == result
    assert len(list(lake.log("main"))) == 3


def test_other_runs_and_other_steps_make_their_own(lake: Lake) -> None:
    results = {
        step(lake).commit,
        step(lake, replace(AGAIN, run_id="s")).commit,
        step(lake, AGAIN, "other").commit,
    }
    assert len(results) == 3


def test_a_first_try_without_changes_returns_the_latest_commit(lake: Lake) -> None:
    assert step(lake, empty=False) == CommitResult(lake.resolve("main"), changed=False)
    lake.upload("main", "a", BytesIO(b"a"))
    result = step(lake, empty=False)
    assert step(lake, empty=False) == result == CommitResult(lake.resolve("main"), changed=True)
