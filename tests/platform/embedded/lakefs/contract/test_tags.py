"""Tags: immutable names for commits."""

from __future__ import annotations

import pytest

from tests.support.contract import Wire
from tests.support.repo import Repo


@pytest.mark.endpoint("create_tag", "get_tag")
def test_a_tag_keeps_its_commit(wire: Wire, repo: Repo) -> None:
    first = repo.save(a=b"1")
    made = wire.post("/tags", {"id": "v1.0", "ref": "main"})
    assert (made.status, made.body) == (201, {"id": "v1.0", "commit_id": first})
    repo.save(a=b"2")
    assert wire.get("/tags/v1.0").body == {"id": "v1.0", "commit_id": first}
    assert repo.contents("v1.0") == {"a": b"1"}
    assert repo.list("v1.0~1") == []


@pytest.mark.endpoint("create_tag")
def test_a_name_is_taken_once_by_tags_and_branches(wire: Wire, repo: Repo) -> None:
    repo.tag("v1")
    assert wire.post("/tags", {"id": "v1", "ref": "main"}).refused == 409
    assert wire.post("/tags", {"id": "v1", "ref": "main", "force": True}).refused == 409
    assert wire.post("/tags", {"id": "main", "ref": "main"}).refused == 409


@pytest.mark.endpoint("create_tag")
@pytest.mark.parametrize("name", ["bad tag", "a/b"])
def test_names_of_tags_follow_the_rule(wire: Wire, name: str) -> None:
    assert wire.post("/tags", {"id": name, "ref": "main"}).refused == 400


@pytest.mark.endpoint("create_tag")
@pytest.mark.parametrize(
    ("ref", "status"), [("absent", 404), ("main~9", 404), ("main$", 400), ("main^2", 400)]
)
def test_a_tag_needs_a_commit(wire: Wire, ref: str, status: int) -> None:
    assert wire.post("/tags", {"id": "v1", "ref": ref}).refused == status
    assert wire.get("/tags/v1").refused == 404


@pytest.mark.endpoint("list_tags")
def test_tags_are_listed_in_pages(wire: Wire, repo: Repo) -> None:
    for name in ("v1", "v2", "w1"):
        repo.tag(name)
    first = wire.get("/tags", amount=2)
    assert (first.ids, first.page) == (["v1", "v2"], (2, True, "v2"))
    second = wire.get("/tags", amount=2, after="v2")
    assert (second.ids, second.page) == (["w1"], (1, False, ""))
    assert wire.get("/tags", prefix="w").ids == ["w1"]


@pytest.mark.endpoint("delete_tag")
def test_a_deleted_tag_is_gone_and_its_name_free(wire: Wire, repo: Repo) -> None:
    repo.tag("v1")
    assert wire.delete("/tags/v1").status == 204
    assert [wire.get("/tags/v1").refused, wire.delete("/tags/v1").refused] == [404, 404]
    commit = repo.save(a=b"1")
    assert repo.tag("v1").commit_id == commit


@pytest.mark.endpoint("upload_object")
def test_nothing_is_written_to_a_tag(wire: Wire, repo: Repo) -> None:
    repo.tag("v1")
    assert wire.post("/branches/v1/objects", content=b"x", path="a").refused == 404
