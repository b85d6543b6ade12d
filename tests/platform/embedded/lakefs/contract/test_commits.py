"""Commits, ref expressions, and the log."""

from __future__ import annotations

import time

import pytest

from tests.support.contract import Answer, Wire
from tests.support.repo import Repo


@pytest.mark.endpoint("commit", "get_commit")
def test_a_commit_tells_what_was_committed(wire: Wire, repo: Repo) -> None:
    root = wire.get("/branches/main").body["commit_id"]
    repo.put("a")
    made = wire.post("/branches/main/commits", {"message": "m", "metadata": {"k": "v"}, "date": 1600000000})
    assert made.status == 201
    told = {key: made.body[key] for key in ("message", "metadata", "creation_date", "parents", "generation")}
    assert told == {
        "message": "m",
        "metadata": {"k": "v"},
        "creation_date": 1600000000,
        "parents": [root],
        "generation": 2,
    }
    assert made.body["committer"]
    assert wire.get(f"/commits/{made.body['id']}").body == made.body
    assert repo.uncommitted() == {}


@pytest.mark.endpoint("commit")
def test_a_commit_without_changes_must_be_allowed(wire: Wire) -> None:
    empty = wire.post("/branches/main/commits", {"message": "m"})
    assert (empty.refused, "no changes" in empty.body["message"]) == (400, True)
    made = wire.post("/branches/main/commits", {"message": "", "allow_empty": True})
    assert (made.status, made.body["message"], made.body["metadata"]) == (201, "", {})
    assert made.body["creation_date"] == pytest.approx(time.time(), abs=60)


@pytest.mark.endpoint("commit")
def test_changes_that_cancel_out_are_no_changes(wire: Wire, repo: Repo) -> None:
    repo.put("a")
    repo.delete("a")
    assert wire.post("/branches/main/commits", {"message": "m"}).refused == 400


@pytest.mark.endpoint("commit")
@pytest.mark.parametrize(
    "body", [{}, {"message": 1}, {"message": "m", "date": "x"}, {"message": "m", "metadata": {"a": 1}}]
)
def test_a_commit_that_makes_no_sense_is_refused(wire: Wire, repo: Repo, body: dict[str, object]) -> None:
    repo.put("a")
    assert wire.post("/branches/main/commits", body).refused == 400
    assert wire.post("/branches/absent/commits", {"message": "m"}).refused == 404


@pytest.fixture
def history(repo: Repo) -> list[str]:
    """Ids of four commits, newest first: a merge, its two parents, and their common parent."""
    base = repo.save(a=b"1")
    repo.branch("dev")
    theirs = repo.save("dev", dev=b"1")
    ours = repo.save(main=b"1")
    return [repo.merge("dev"), ours, theirs, base]


EXPRESSIONS = {
    "main": 0, "main~0": 0, "main^0": 0, "main@": 0, "main~": 1, "main~1": 1, "main^": 1, "main^1": 1,
    "main^2": 2, "main~2": 3, "main^^": 3, "main~^": 3, "main^2~1": 3, "main~1~1": 3, "dev": 2, "dev~": 3,
}  # fmt: skip


@pytest.mark.endpoint("get_commit")
def test_expressions_walk_along_parents(wire: Wire, history: list[str]) -> None:
    found = {text: wire.get(f"/commits/{text}").body.get("id") for text in EXPRESSIONS}
    assert found == {text: history[place] for text, place in EXPRESSIONS.items()}


@pytest.mark.endpoint("get_commit")
def test_a_commit_is_known_by_the_begin_of_its_id(wire: Wire, history: list[str]) -> None:
    first = history[0]
    asked = [first, first[:20], first[:8], f"{history[1][:20]}~"]
    found = [wire.get(f"/commits/{text}").body["id"] for text in asked]
    assert found == [first, first, first, history[3]]


@pytest.mark.endpoint("get_commit")
@pytest.mark.parametrize("text", ["absent", "main~99", "a%2Fb", "f" * 64])
def test_what_is_no_commit_is_not_found(wire: Wire, text: str) -> None:
    assert wire.get(f"/commits/{text}").refused == 404
    assert wire.get(f"/refs/{text}/commits").refused == 404
    assert wire.get(f"/refs/{text}/objects/ls").refused == 404


@pytest.mark.endpoint("create_branch")
@pytest.mark.parametrize("text", ["main~x", "main@{1}", "main@~", "~1", "@", "main^3"])
def test_an_expression_that_makes_no_sense_is_refused(wire: Wire, history: list[str], text: str) -> None:
    assert wire.post("/branches", {"name": "new", "source": text}).refused == 400


@pytest.mark.endpoint("list_objects", "get_object")
def test_a_branch_shows_what_is_staged_and_its_head_does_not(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1")
    repo.put("b")
    repo.put("a", b"2")
    shown = {ref: repo.contents(ref) for ref in ("main", "main$", "main@")}
    staged = {"a": b"2", "b": b"x"}
    assert shown == {"main": staged, "main$": staged, "main@": {"a": b"1"}}


def messages(answer: Answer) -> list[str]:
    return [row["message"] for row in answer.body["results"]]


@pytest.fixture
def log(repo: Repo) -> list[str]:
    """Ids of three commits, newest first, after the repository's first one."""
    ids = []
    for number, path in enumerate(["a", "dir/x", "b"]):
        repo.put(path)
        ids.append(str(repo.commit(f"m{number}", date=1_600_000_000 + number).id))
    return ids[::-1]


@pytest.mark.endpoint("log_commits")
def test_the_log_is_paged_from_the_newest(wire: Wire, log: list[str]) -> None:
    first = wire.get("/refs/main/commits", amount=2)
    assert (first.ids, first.page) == (log[:2], (2, True, log[1]))
    second = wire.get("/refs/main/commits", amount=2, after=log[1])
    assert (messages(second), second.page) == (["m0", "Repository created"], (2, False, ""))
    assert wire.get("/refs/main/commits", amount=2, limit=True).page == (2, False, "")
    assert wire.get("/refs/main~1/commits").ids[0] == log[1]
    assert len(wire.get("/refs/main/commits", amount=0).ids) == 4
    assert wire.get("/refs/main/commits", after="absent").refused == 404


@pytest.mark.endpoint("log_commits")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"objects": "a"}, ["m0"]),
        ({"objects": ["a", "b"]}, ["m2", "m0"]),
        ({"objects": "dir"}, []),
        ({"prefixes": "dir/"}, ["m1"]),
        ({"prefixes": "di", "objects": "b"}, ["m2", "m1"]),
        ({"prefixes": ["a", "b"], "amount": 1}, ["m2"]),
        ({"prefixes": "none"}, []),
        ({"since": "2020-09-13T12:26:41Z", "stop_at": "main~1"}, ["m2", "m1"]),
        ({"since": "2100-01-01T00:00:00Z"}, []),
        ({"stop_at": "main~1"}, ["m2", "m1"]),
        ({"stop_at": "main"}, ["m2"]),
    ],
)
def test_the_log_is_filtered(wire: Wire, log: list[str], query: dict[str, str], expected: list[str]) -> None:
    assert messages(wire.get("/refs/main/commits", **query)) == expected


@pytest.mark.endpoint("log_commits")
def test_a_log_filtered_by_objects_tells_removals_and_changes(wire: Wire, repo: Repo, log: list[str]) -> None:
    repo.put("a", b"2")
    repo.commit("changed")
    repo.delete("a")
    repo.commit("removed")
    assert messages(wire.get("/refs/main/commits", objects="a")) == ["removed", "changed", "m0"]


@pytest.mark.endpoint("log_commits")
def test_the_log_shows_both_sides_of_a_merge_or_the_first(wire: Wire, history: list[str]) -> None:
    both = wire.get("/refs/main/commits").ids
    assert (both[0], sorted(both[1:3]), both[3]) == (history[0], sorted(history[1:3]), history[3])
    first = wire.get("/refs/main/commits", first_parent=True).ids
    assert first[:3] == [history[0], history[1], history[3]]


@pytest.mark.endpoint("log_commits")
@pytest.mark.parametrize("query", [{"since": "x"}, {"amount": 1001}, {"amount": -2}, {"limit": "x"}])
def test_a_log_that_makes_no_sense_is_refused(wire: Wire, query: dict[str, object]) -> None:
    assert wire.get("/refs/main/commits", **query).refused == 400
    assert wire.get("/refs/main/commits", stop_at="absent").refused == 404
