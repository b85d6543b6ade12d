"""The operators that ingest does not use: revert, cherry-pick, diff, objects, tags."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from include.exceptions import Absent, Misconfigured
from include.lake.client import Lake
from millrace.operators import lakefs
from millrace.operators.lakefs import LakeFSOperator
from tests.support.task import Task


@pytest.fixture(autouse=True)
def _connected(lake_connection: None) -> None:
    """Every test here uses the test server."""


def run(kind: str, lake: Lake, *, try_number: int = 1, task_id: str = "t", **arguments: Any) -> Any:
    """Return the result of the operator of this kind for a repository."""
    operator: type[LakeFSOperator] = getattr(lakefs, f"LakeFS{kind}Operator")
    return Task(
        operator(task_id=task_id, repository=lake.repository, **arguments), try_number=try_number
    ).run()


def commit(lake: Lake, branch: str, path: str, text: str = "a") -> str:
    lake.upload(branch, path, BytesIO(text.encode()))
    return str(lake.commit(branch, path, {}))


def test_a_revert_is_made_once_and_says_who_made_it(lake: Lake) -> None:
    bad = commit(lake, "main", "a")
    first = run("Revert", lake, branch="main", ref=bad, metadata={"why": "wrong rows"})
    assert first == {"commit": lake.resolve("main"), "changed": True}
    assert run("Revert", lake, try_number=2, branch="main", ref=bad) == first
    head = lake.get_commit("main")
    names = {name: head.metadata[name] for name in ("run_id", "step", "why")}
    assert names == {"run_id": "r1", "step": "t", "why": "wrong rows"}
    assert list(lake.list_objects("main")) == []


def test_a_commit_that_is_run_again_by_a_person_takes_what_is_new(lake: Lake) -> None:
    lake.upload("main", "a", BytesIO(b"1"))
    first = run("Commit", lake, branch="main", message="rows")
    assert run("Commit", lake, try_number=2, branch="main", message="rows") == first
    lake.upload("main", "a", BytesIO(b"2"))
    second = run("Commit", lake, try_number=3, branch="main", message="rows")
    assert second == {"commit": lake.resolve("main"), "changed": True} != first


def test_a_cherry_pick_is_made_once(lake: Lake) -> None:
    lake.create_branch("b", "main")
    good = commit(lake, "b", "a")
    first = run("CherryPick", lake, branch="main", ref=good, message="only this")
    assert first == run("CherryPick", lake, try_number=2, branch="main", ref=good)
    assert (lake.get_commit("main").message, lake.download("main", "a")) == ("only this", b"a")


def test_a_diff_counts_all_and_names_ten(lake: Lake) -> None:
    lake.create_branch("b", "main")
    for number in range(12):
        lake.upload("b", f"t/{number:02}", BytesIO(b"a"))
    commit(lake, "b", "u")
    result = run("Diff", lake, left="main", right="b", prefix="t/")
    first = [{"path": f"t/{number:02}", "kind": "added"} for number in range(10)]
    assert result == {"added": 12, "changed": 0, "removed": 0, "conflict": 0, "first": first}


def test_a_ref_is_looked_up_or_absent(lake: Lake) -> None:
    commit_id = lake.commit("main", "m", {"k": "v"}, allow_empty=True)
    result = run("GetRef", lake, ref="main")
    assert (result["ref"], result["commit"], result["message"]) == ("main", commit_id, "m")
    assert result["metadata"] == {"k": "v"}
    with pytest.raises(Absent, match="'nowhere'"):
        run("GetRef", lake, ref="nowhere")


def test_a_branch_is_reset(lake: Lake) -> None:
    lake.upload("main", "a", BytesIO(b"a"))
    assert run("ResetBranch", lake, branch="main") == {"branch": "main", "commit": lake.resolve("main")}
    assert list(lake.list_objects("main")) == []
    with pytest.raises(ValueError, match="are both set"):
        run("ResetBranch", lake, branch="main", path="a", prefix="b")
    lake.upload("main", "a", BytesIO(b"a"))
    with pytest.raises(Misconfigured, match="path or prefix is empty and would reset all of 'main'"):
        run("ResetBranch", lake, branch="main", prefix="{{ params.none or '' }}")
    assert [item.path for item in lake.list_objects("main")] == ["a"]


def test_a_tag_is_deleted_and_then_it_is_gone(lake: Lake) -> None:
    lake.create_tag("v", "main")
    for _ in range(2):
        run("DeleteTag", lake, tag="v")
        assert not lake.ref_exists("v")


def test_objects_are_copied_downloaded_and_deleted(lake: Lake, tmp_path: Path) -> None:
    stored = run("UploadStream", lake, branch="main", path="t/a", open_stream=lambda context: BytesIO(b"abc"))
    assert stored == run("GetObject", lake, ref="main", path="t/a")
    assert run("CopyObject", lake, branch="main", path="t/b", source_path="t/a") == {**stored, "path": "t/b"}
    file = tmp_path / "new" / "b"
    assert run("Download", lake, ref="main", path="t/b", file=str(file))["file"] == str(file)
    assert file.read_bytes() == b"abc"
    assert run("DeleteObjects", lake, branch="main", paths=["t/a", "t/none"]) == {"deleted": 2}
    assert run("DeleteObjects", lake, branch="main", prefix="t/") == {"deleted": 1}
    assert list(lake.list_objects("main")) == []
    with pytest.raises(ValueError, match="either paths or prefix"):
        run("DeleteObjects", lake, branch="main")
    lake.upload("main", "t/a", BytesIO(b"abc"))
    assert run("DeleteObjects", lake, branch="main", paths=[]) == {"deleted": 0}
    with pytest.raises(Misconfigured, match="prefix is empty and would delete all of 'main'"):
        run("DeleteObjects", lake, branch="main", prefix="{{ params.none or '' }}")
    with pytest.raises(Misconfigured, match=r"paths is the text .* pass a list"):
        run("DeleteObjects", lake, branch="main", paths="['t/a']")
    assert lake.download("main", "t/a") == b"abc"


def test_an_import_into_the_embedded_lake_says_what_it_needs(lake: Lake) -> None:
    with pytest.raises(Misconfigured, match="this lake does not support the operation"):
        run("Import", lake, branch="main", sources={"s3://bucket/": "t/"})


def test_the_connections_repository_is_meant_where_none_is_named(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json
    import os

    operator = lakefs.LakeFSGetRefOperator(task_id="t", ref="main")
    with pytest.raises(Misconfigured, match="no repository is set, and connection 'lakefs_default' has no"):
        Task(operator).run()
    connection = json.loads(os.environ["AIRFLOW_CONN_LAKEFS_DEFAULT"])
    extra = {**connection, "extra": {"repository": lake.repository}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(extra))
    again = lakefs.LakeFSGetRefOperator(task_id="t", ref="main")
    assert Task(again).run()["commit"] == lake.resolve("main")
