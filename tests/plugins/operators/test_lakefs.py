"""Operators of the lake act once and return the same result on a retry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent, Conflict, Misconfigured
from include.lake.client import Lake
from millrace.operators.lakefs import (
    LakeFSCommitOperator,
    LakeFSCreateBranchOperator,
    LakeFSCreateTagOperator,
    LakeFSDeleteBranchOperator,
    LakeFSMergeOperator,
    LakeFSUploadOperator,
)
from tests.support.task import Task, run


@pytest.fixture(autouse=True)
def _connected(lake_connection: None) -> None:
    """Every test here uses the test server."""


def create_branch(lake: Lake, branch: str = "work", **options: Any) -> Any:
    return run(LakeFSCreateBranchOperator(task_id="t", repository=lake.repository, branch=branch, **options))


def upload(lake: Lake, file: Path, text: str = "a", path: str = "a.txt", branch: str = "work") -> Any:
    file.write_text(text)
    return run(
        LakeFSUploadOperator(
            task_id="t", repository=lake.repository, branch=branch, path=path, file=str(file)
        )
    )


def commit(lake: Lake, run_id: str = "r1", branch: str = "work") -> Any:
    operator = LakeFSCommitOperator(
        task_id="t", repository=lake.repository, branch=branch, message="rows", metadata={"rows": "7"}
    )
    return run(operator, run_id)


def merge_task(lake: Lake, run_id: str = "r1", **options: Any) -> Task:
    operator = LakeFSMergeOperator(task_id="t", repository=lake.repository, source="work", **options)
    return Task(operator, run_id)


def merge(lake: Lake, run_id: str = "r1", **options: Any) -> Any:
    return merge_task(lake, run_id, **options).run()


def test_a_branch_is_made_once_and_stays_where_it_is(lake: Lake, tmp_path: Path) -> None:
    first = lake.resolve("main")
    assert create_branch(lake) == {"branch": "work", "commit": first}
    upload(lake, tmp_path / "a")
    commit_id = commit(lake)["commit"]
    assert create_branch(lake) == {"branch": "work", "commit": commit_id}


def test_a_branch_is_deleted_once_and_then_it_is_gone(lake: Lake) -> None:
    create_branch(lake)
    for _ in range(2):
        run(LakeFSDeleteBranchOperator(task_id="t", repository=lake.repository, branch="work"))
        assert not lake.ref_exists("work")


def test_an_upload_returns_what_is_stored_and_is_uncommitted(lake: Lake, tmp_path: Path) -> None:
    create_branch(lake)
    result = upload(lake, tmp_path / "a", "hello")
    assert result == upload(lake, tmp_path / "a", "hello")
    assert result == {"path": "a.txt", "size": 5, "checksum": "5d41402abc4b2a76b9719d911017c592"}
    assert lake.download("work", "a.txt") == b"hello"
    with pytest.raises(Absent):
        lake.download("main", "a.txt")


def test_a_file_that_is_not_on_the_worker_is_named(lake: Lake, tmp_path: Path) -> None:
    operator = LakeFSUploadOperator(
        task_id="t", repository=lake.repository, branch="main", path="a", file=str(tmp_path / "none")
    )
    with pytest.raises(Misconfigured, match="none' is not on this worker"):
        run(operator)


def test_a_commit_names_its_run_and_the_second_try_finds_it(lake: Lake, tmp_path: Path) -> None:
    create_branch(lake)
    upload(lake, tmp_path / "a")
    first, second = commit(lake), commit(lake)
    assert first == second == {"commit": lake.resolve("work"), "changed": True}
    assert commit(lake, "r2") == {**first, "changed": False}
    head = lake.get_commit("work")
    assert (head.message, head.metadata["rows"], head.metadata["run_id"]) == ("rows", "7", "r1")


def test_a_merge_is_made_once_and_found_when_its_branch_is_gone(lake: Lake, tmp_path: Path) -> None:
    create_branch(lake)
    upload(lake, tmp_path / "a")
    commit(lake)
    first = merge(lake, metadata={"rows": "7"}, delete_source=True)
    assert first == {"commit": lake.resolve("main"), "changed": True}
    assert merge(lake, delete_source=True) == first
    assert not lake.ref_exists("work")
    assert lake.get_commit("main").metadata["rows"] == "7"
    with pytest.raises(Absent, match="work"):
        merge(lake, "r2", delete_source=True)


def test_a_merge_leaves_its_branch_by_default(lake: Lake) -> None:
    create_branch(lake)
    assert merge(lake) == {"commit": lake.resolve("main"), "changed": False}
    assert lake.ref_exists("work")


def test_the_asset_event_of_a_merge_names_what_it_brought(lake: Lake, tmp_path: Path) -> None:
    create_branch(lake)
    upload(lake, tmp_path / "a")
    commit(lake)
    asset = Asset("lakefs://repo/main/a")
    task = merge_task(lake, outlets=[asset], metadata={"rows": "7"}, skip_unchanged=True)
    task.run()
    assert task.events[asset].extra == {"rows": "7", "commit": lake.resolve("main"), "changed": True}


def test_a_merge_without_changes_may_send_no_event(lake: Lake) -> None:
    create_branch(lake)
    task = merge_task(lake, skip_unchanged=True)
    with pytest.raises(AirflowSkipException, match="'main' already contains 'work'"):
        task.run()
    assert task.xcoms["t", "return_value"] == {"commit": lake.resolve("main"), "changed": False}


def test_a_run_that_is_started_over_after_a_conflict_goes_through(lake: Lake, tmp_path: Path) -> None:
    def bring() -> Any:
        create_branch(lake, replace=True)
        upload(lake, tmp_path / "a", "ours")
        commit(lake)
        return merge(lake, delete_source=True)

    create_branch(lake)
    upload(lake, tmp_path / "a", "theirs", branch="main")
    commit(lake, branch="main")
    upload(lake, tmp_path / "a", "ours")
    commit(lake)
    with pytest.raises(Conflict):
        merge(lake)
    assert bring()["changed"]
    assert lake.download("main", "a.txt") == b"ours"


def test_a_merge_of_what_others_changed_too_is_a_conflict(lake: Lake, tmp_path: Path) -> None:
    create_branch(lake)
    for branch, text in (("work", "ours"), ("main", "theirs")):
        upload(lake, tmp_path / "a", text, branch=branch)
        commit(lake, branch=branch)
    with pytest.raises(Conflict, match="run the step again from its start"):
        merge(lake)
    assert lake.download("main", "a.txt") == b"theirs"


def test_a_tag_stays_on_its_commit(lake: Lake, tmp_path: Path) -> None:
    def tag(ref: str = "main") -> Any:
        return run(LakeFSCreateTagOperator(task_id="t", repository=lake.repository, tag="v", ref=ref))

    first = tag()
    upload(lake, tmp_path / "a", branch="main")
    commit(lake, branch="main")
    assert tag() == first != {"tag": "v", "commit": lake.resolve("main")}
    with pytest.raises(Misconfigured, match="ref 'nowhere' cannot be tagged"):
        run(LakeFSCreateTagOperator(task_id="t", repository=lake.repository, tag="w", ref="nowhere"))
