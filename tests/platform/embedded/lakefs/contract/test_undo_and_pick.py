"""Reverting commits, and cherry-picking them to another branch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.contract import Wire
from tests.support.repo import Repo


def head(wire: Wire, branch: str = "main") -> dict[str, Any]:
    return dict(wire.get(f"/commits/{branch}").body)


@pytest.mark.endpoint("revert_branch")
def test_a_revert_undoes_one_commit_in_a_new_one(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1", b=b"1")
    wrong = repo.save(a=b"2", b=None, c=b"1")
    newest = repo.save(d=b"1")
    assert wire.post("/branches/main/revert", {"ref": wrong, "parent_number": 0}).status == 204
    assert repo.contents() == {"a": b"1", "b": b"1", "d": b"1"}
    made = head(wire)
    assert (made["message"], made["parents"]) == (f"Revert {wrong}", [newest])


@pytest.mark.endpoint("revert_branch")
def test_a_revert_takes_a_message_and_metadata(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1")
    overrides = {"message": "mine", "metadata": {"k": "v"}}
    body = {"ref": "main", "parent_number": 1, "commit_overrides": overrides}
    assert wire.post("/branches/main/revert", body).status == 204
    made = head(wire)
    assert (made["message"], made["metadata"]) == ("mine", {"k": "v"})
    assert repo.list() == []


@pytest.mark.endpoint("revert_branch")
def test_a_revert_of_a_merge_needs_the_parent_to_go_back_to(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.save("dev", dev=b"1")
    repo.save(main=b"1")
    repo.merge("dev")
    assert wire.post("/branches/main/revert", {"ref": "main", "parent_number": 0}).refused == 409
    assert wire.post("/branches/main/revert", {"ref": "main", "parent_number": 1}).status == 204
    assert repo.list() == ["main"]


@pytest.mark.endpoint("revert_branch")
def test_a_revert_against_later_changes_is_a_conflict(wire: Wire, repo: Repo) -> None:
    early = repo.save(a=b"1")
    repo.save(a=b"2")
    assert wire.post("/branches/main/revert", {"ref": early, "parent_number": 0}).refused == 409
    assert repo.contents() == {"a": b"2"}


@pytest.mark.endpoint("revert_branch")
def test_a_revert_without_effect_must_be_allowed(wire: Wire, repo: Repo) -> None:
    repo.save(base=b"1")
    commit = repo.save(a=b"1")
    body = {"ref": commit, "parent_number": 0}
    assert wire.post("/branches/main/revert", body).status == 204
    assert wire.post("/branches/main/revert", body).refused == 400
    assert wire.post("/branches/main/revert", {**body, "allow_empty": True}).status == 204


@pytest.mark.endpoint("revert_branch")
def test_a_revert_that_makes_no_sense_is_refused(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1")
    revert = "/branches/main/revert"
    assert wire.post(revert, {"ref": "main"}).refused == 400
    assert wire.post(revert, {"ref": "main", "parent_number": 2}).refused == 400
    assert wire.post(revert, {"ref": "absent", "parent_number": 0}).refused == 404
    assert wire.post("/branches/absent/revert", {"ref": "main", "parent_number": 0}).refused == 404
    repo.put("loose")
    assert wire.post(revert, {"ref": "main", "parent_number": 0}).refused == 400


@pytest.mark.endpoint("cherry_pick")
def test_a_pick_takes_one_commit_over(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.save("dev", first=b"1")
    repo.put("second", branch="dev")
    picked = repo.commit("mine", "dev", metadata={"k": "v"}).id
    before = head(wire)["id"]
    answer = wire.post("/branches/main/cherry-pick", {"ref": "dev"})
    assert (answer.status, answer.body["message"], answer.body["parents"]) == (201, "mine", [before])
    committer = answer.body["committer"]
    assert answer.body["metadata"] == {
        "k": "v", "cherry-pick-origin": picked, "cherry-pick-committer": committer
    }  # fmt: skip
    assert repo.list() == ["second"]


@pytest.mark.endpoint("cherry_pick")
def test_a_pick_takes_a_message_and_metadata(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.save("dev", a=b"1")
    overrides = {"message": "mine", "metadata": {"k": "v"}}
    answer = wire.post("/branches/main/cherry-pick", {"ref": "dev", "commit_overrides": overrides})
    assert (answer.body["message"], answer.body["metadata"]["k"]) == ("mine", "v")


@pytest.mark.endpoint("cherry_pick")
def test_a_pick_with_metadata_of_its_own_leaves_the_other_commit_alone(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.save(main=b"1")
    repo.put("a", branch="dev")
    picked = repo.commit("mine", "dev", metadata={"k": "v"}).id
    pick = {"ref": picked, "commit_overrides": {"metadata": {"own": "v"}}}
    assert wire.post("/branches/main/cherry-pick", pick).body["metadata"]["own"] == "v"
    assert wire.get(f"/commits/{picked}").body["metadata"] == {"k": "v"}


@pytest.mark.endpoint("cherry_pick")
def test_a_pick_of_a_merge_needs_a_parent(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.branch("other")
    repo.save("dev", dev=b"1")
    repo.save(main=b"1")
    merged = repo.merge("dev")
    pick = "/branches/other/cherry-pick"
    assert wire.post(pick, {"ref": merged}).refused == 400
    assert wire.post(pick, {"ref": merged, "parent_number": 3}).refused == 400
    assert wire.post(pick, {"ref": merged, "parent_number": 1}).status == 201
    assert repo.list("other") == ["dev"]


@pytest.mark.endpoint("cherry_pick")
def test_a_pick_that_cannot_be_is_refused(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1")
    repo.branch("dev")
    repo.save("dev", a=b"dev")
    repo.save(a=b"main")
    pick = "/branches/main/cherry-pick"
    assert wire.post(pick, {"ref": "dev"}).refused == 409
    assert [wire.post(pick, {"ref": "absent"}).refused, wire.post(pick, {}).refused] == [404, 400]
    assert wire.post(pick, {"ref": "main~2"}).refused == 400
    repo.put("loose")
    repo.save("dev", b=b"1")
    assert wire.post(pick, {"ref": "dev"}).refused == 400
