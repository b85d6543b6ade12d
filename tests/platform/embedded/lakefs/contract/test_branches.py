"""Branches: creating, listing, deleting, and discarding uncommitted changes."""

from __future__ import annotations

import pytest

from tests.support.contract import Wire
from tests.support.repo import Repo


@pytest.mark.endpoint("create_branch", "get_branch")
def test_a_branch_begins_at_its_source(wire: Wire, repo: Repo) -> None:
    commit = repo.save(a=b"1")
    made = wire.post("/branches", {"name": "dev", "source": "main"})
    assert (made.status, made.body) == (201, commit.encode())
    assert wire.get("/branches/dev").body == {"id": "dev", "commit_id": commit}


@pytest.mark.endpoint("create_branch")
@pytest.mark.parametrize("source", ["v1", "main~1", "main^1", "main@", "main", "{commit}", "{prefix}"])
def test_a_source_is_any_expression_for_a_commit(wire: Wire, repo: Repo, source: str) -> None:
    first = repo.save(a=b"1")
    second = repo.save(a=b"2")
    repo.tag("v1", first)
    expected = first if source in ("v1", "main~1", "main^1") else second
    given = source.format(commit=second, prefix=second[:16])
    assert wire.post("/branches", {"name": "dev", "source": given}).body == expected.encode()


@pytest.mark.endpoint("create_branch")
def test_what_is_not_committed_stays_on_its_branch(wire: Wire, repo: Repo) -> None:
    repo.put("loose")
    repo.branch("dev")
    assert repo.list("dev") == []
    assert repo.uncommitted("dev") == {}


@pytest.mark.endpoint("create_branch")
@pytest.mark.parametrize("name", ["x/y", "x y", "-x", "x.y", "x~", "x@", "x$", "ä:"])
def test_names_of_branches_follow_the_rule(wire: Wire, name: str) -> None:
    assert wire.post("/branches", {"name": name, "source": "main"}).refused == 400


@pytest.mark.endpoint("create_branch")
@pytest.mark.parametrize(
    ("source", "status"),
    [("absent", 404), ("main~9", 404), ("main^2", 400), ("main@~1", 400), ("main~x", 400)],
)
def test_a_source_that_is_no_commit_is_refused(wire: Wire, source: str, status: int) -> None:
    assert wire.post("/branches", {"name": "dev", "source": source}).refused == status


@pytest.mark.endpoint("create_branch")
def test_a_name_is_taken_once_by_branches_and_tags(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.tag("v1")
    bodies = [{"name": "dev", "source": "main"}, {"name": "dev", "source": "main", "force": True}]
    assert [wire.post("/branches", body).refused for body in bodies] == [409, 409]
    assert wire.post("/branches", {"name": "v1", "source": "main"}).refused == 409
    assert wire.post("/branches", {"name": "new"}).refused == 400


@pytest.mark.endpoint("list_branches")
def test_branches_are_listed_in_pages(wire: Wire, repo: Repo) -> None:
    for name in ("b1", "b2", "c1"):
        repo.branch(name)
    first = wire.get("/branches", amount=2)
    assert (first.ids, first.page) == (["b1", "b2"], (2, True, "b2"))
    second = wire.get("/branches", amount=2, after="b2")
    assert (second.ids, second.page) == (["c1", "main"], (2, False, ""))
    assert wire.get("/branches", prefix="b").ids == ["b1", "b2"]
    assert wire.get("/branches", prefix="b", after="b1").ids == ["b2"]
    assert wire.get("/branches", after="zz").page == (0, False, "")


@pytest.mark.endpoint("list_branches", "create_branch")
def test_a_hidden_branch_is_listed_on_demand(wire: Wire) -> None:
    assert wire.post("/branches", {"name": "own", "source": "main", "hidden": True}).status == 201
    assert wire.get("/branches").ids == ["main"]
    assert wire.get("/branches", show_hidden=True).ids == ["main", "own"]
    assert wire.get("/branches/own").status == 200


@pytest.mark.endpoint("delete_branch", "get_branch")
def test_a_deleted_branch_is_gone_and_the_default_one_stays(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    assert wire.delete("/branches/dev").status == 204
    assert [wire.get("/branches/dev").refused, wire.delete("/branches/dev").refused] == [404, 404]
    assert wire.delete("/branches/main").refused == 403
    assert wire.get("/branches/x%2Fy").refused == 400


@pytest.fixture
def loose(repo: Repo) -> Repo:
    """A branch with an uncommitted change of each kind."""
    repo.save(changed=b"1", removed=b"1")
    repo.put("changed", b"2")
    repo.delete("removed")
    repo.put("added")
    return repo


@pytest.mark.endpoint("diff_branch")
def test_changes_that_are_not_committed_are_told(wire: Wire, loose: Repo) -> None:
    answer = wire.get("/branches/main/diff")
    assert answer.body["results"] == [
        {"path": "added", "path_type": "object", "size_bytes": 1, "type": "added"},
        {"path": "changed", "path_type": "object", "size_bytes": 1, "type": "changed"},
        {"path": "removed", "path_type": "object", "size_bytes": 0, "type": "removed"},
    ]
    assert wire.get("/branches/main/diff", prefix="c").paths == ["changed"]
    first = wire.get("/branches/main/diff", amount=1)
    assert (first.paths, first.page) == (["added"], (1, True, "added"))
    assert wire.get("/branches/main/diff", after="changed").paths == ["removed"]
    assert wire.get("/branches/absent/diff").refused == 404


@pytest.mark.endpoint("diff_branch")
def test_changes_are_grouped_by_a_delimiter(wire: Wire, repo: Repo) -> None:
    for path in ("a/1", "a/2", "b"):
        repo.put(path)
    answer = wire.get("/branches/main/diff", delimiter="/")
    assert [(row["path"], row["path_type"], row["type"]) for row in answer.body["results"]] == [
        ("a/", "common_prefix", "prefix_changed"),
        ("b", "object", "added"),
    ]


@pytest.mark.endpoint("reset_branch")
def test_a_reset_throws_away_all_changes(wire: Wire, loose: Repo) -> None:
    assert wire.put("/branches/main", {"type": "reset"}).status == 204
    assert loose.uncommitted() == {}
    assert loose.contents() == {"changed": b"1", "removed": b"1"}


@pytest.mark.endpoint("reset_branch")
def test_one_object_or_prefix_can_be_reset(wire: Wire, loose: Repo) -> None:
    assert wire.put("/branches/main", {"type": "object", "path": "changed"}).status == 204
    assert loose.uncommitted() == {"added": "added", "removed": "removed"}
    assert wire.put("/branches/main", {"type": "common_prefix", "path": "rem"}).status == 204
    assert loose.uncommitted() == {"added": "added"}
    assert wire.put("/branches/main", {"type": "object", "path": "absent"}).status == 204


@pytest.mark.endpoint("reset_branch")
@pytest.mark.parametrize("body", [{}, {"type": "weird"}, {"type": "object"}, {"type": 1}])
def test_a_reset_that_makes_no_sense_is_refused(wire: Wire, body: dict[str, object]) -> None:
    assert wire.put("/branches/main", body).refused == 400
    assert wire.put("/branches/absent", {"type": "reset"}).refused == 404


@pytest.mark.endpoint("hard_reset_branch")
def test_a_hard_reset_moves_the_branch(wire: Wire, repo: Repo) -> None:
    first = repo.save(a=b"1")
    repo.save(a=b"2")
    assert wire.put("/branches/main/hard_reset", ref="main~1").status == 204
    assert wire.get("/branches/main").body["commit_id"] == first
    assert repo.contents() == {"a": b"1"}
    assert wire.put("/branches/main/hard_reset", ref="absent").refused == 404
    assert wire.put("/branches/absent/hard_reset", ref="main").refused == 404
    assert wire.put("/branches/main/hard_reset").refused == 400


@pytest.mark.endpoint("hard_reset_branch")
def test_a_hard_reset_keeps_what_is_not_committed(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1")
    repo.save(b=b"1")
    repo.put("loose")
    assert wire.put("/branches/main/hard_reset", ref="main~1").status == 204
    assert repo.uncommitted() == {"loose": "added"}
    assert repo.list() == ["a", "loose"]
