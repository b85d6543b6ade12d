"""Differences between two refs, and merging one into the other."""

from __future__ import annotations

import pytest

from tests.support.contract import Wire
from tests.support.repo import Repo


@pytest.fixture
def apart(repo: Repo) -> Repo:
    """`main` and `dev` with changes of each kind on both sides, without conflicts."""
    repo.save(changed=b"1", removed=b"1", same=b"1", theirs=b"1")
    repo.branch("dev")
    repo.save("dev", **{"changed": b"22", "removed": None, "dir/x": b"1", "dir/y": b"1"})
    repo.save(theirs=b"2")
    return repo


def rows(wire: Wire, refs: str, **query: object) -> list[tuple[str, str, int | None]]:
    found = wire.get(f"/refs/{refs}", **query).body["results"]
    return [(row["path"], row["type"], row.get("size_bytes")) for row in found]


@pytest.mark.endpoint("diff_refs")
def test_three_dots_tell_what_the_right_side_did(wire: Wire, apart: Repo) -> None:
    expected = [
        ("changed", "changed", 2),
        ("dir/x", "added", 1),
        ("dir/y", "added", 1),
        ("removed", "removed", 1),
    ]
    assert rows(wire, "main/diff/dev") == rows(wire, "main/diff/dev", type="three_dot") == expected
    assert rows(wire, "dev/diff/main") == [("theirs", "changed", 1)]


@pytest.mark.endpoint("diff_refs")
def test_two_dots_compare_the_two_sides(wire: Wire, apart: Repo) -> None:
    kinds = [(path, kind) for path, kind, _ in rows(wire, "dev/diff/main", type="two_dot")]
    assert kinds == [
        ("changed", "changed"),
        ("dir/x", "removed"),
        ("dir/y", "removed"),
        ("removed", "added"),
        ("theirs", "changed"),
    ]
    assert rows(wire, "main/diff/main@", type="two_dot") == []


@pytest.mark.endpoint("diff_refs")
def test_a_diff_is_paged_and_grouped(wire: Wire, apart: Repo) -> None:
    first = wire.get("/refs/main/diff/dev", amount=2)
    assert (first.paths, first.page) == (["changed", "dir/x"], (2, True, "dir/x"))
    assert wire.get("/refs/main/diff/dev", after="dir/x").paths == ["dir/y", "removed"]
    assert wire.get("/refs/main/diff/dev", prefix="dir/").paths == ["dir/x", "dir/y"]
    grouped = wire.get("/refs/main/diff/dev", delimiter="/", amount=2)
    assert (grouped.paths, grouped.page) == (["changed", "dir/"], (2, True, "dir/"))
    assert grouped.body["results"][1]["path_type"] == "common_prefix"
    assert grouped.body["results"][1]["type"] == "prefix_changed"
    assert wire.get("/refs/main/diff/dev", delimiter="/", after="dir/").paths == ["removed"]


@pytest.mark.endpoint("diff_refs")
@pytest.mark.parametrize("type", ["two_dot", "three_dot"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["a", "b", "d/", "e"]),
        ({"after": "b"}, ["d/", "e"]),
        ({"after": "d/"}, ["e"]),
        ({"after": "d/2"}, ["d/", "e"]),
        ({"prefix": "d"}, ["d/"]),
        ({"prefix": "d/"}, ["d/1", "d/2", "d/3/"]),
        ({"prefix": "d/3/"}, ["d/3/x", "d/3/y"]),
        ({"delimiter": "3/"}, ["a", "b", "d/1", "d/2", "d/3/", "e"]),
    ],
)
def test_folders_of_a_diff(
    wire: Wire, repo: Repo, type: str, query: dict[str, str], expected: list[str]
) -> None:
    repo.branch("dev")
    repo.save("dev", **dict.fromkeys(["a", "b", "d/1", "d/2", "d/3/x", "d/3/y", "e"], b"1"))
    asked = {"delimiter": "/", "type": type, **query}
    assert wire.get("/refs/main/diff/dev", **asked).paths == expected


@pytest.mark.endpoint("diff_branch")
@pytest.mark.parametrize(
    ("query", "expected"),
    [({}, ["a", "d/", "e"]), ({"after": "d/1"}, ["d/", "e"]), ({"prefix": "d/"}, ["d/1", "d/2"])],
)
def test_folders_of_what_is_not_committed(
    wire: Wire, repo: Repo, query: dict[str, str], expected: list[str]
) -> None:
    repo.save("main", **{"d/1": b"1"})
    repo.delete("d/1")
    for path in ("a", "d/2", "e"):
        repo.put(path)
    assert wire.get("/branches/main/diff", delimiter="/", **query).paths == expected


@pytest.mark.endpoint("diff_refs")
def test_a_diff_leaves_out_what_is_not_committed(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.put("loose", branch="dev")
    assert rows(wire, "main/diff/dev") == []
    assert wire.get("/refs/main/diff/dev$").refused == 400


@pytest.mark.endpoint("diff_refs")
def test_a_diff_that_makes_no_sense_is_refused(wire: Wire) -> None:
    assert wire.get("/refs/main/diff/main", type="four_dot").refused == 400
    assert wire.get("/refs/main/diff/main", amount=1001).refused == 400
    assert wire.get("/refs/main/diff/absent").refused == 404
    assert wire.get("/refs/absent/diff/main").refused == 404


@pytest.mark.endpoint("find_merge_base")
def test_the_merge_base_is_where_both_began(wire: Wire, apart: Repo) -> None:
    ids = [wire.get(f"/commits/{ref}").body["id"] for ref in ("main", "dev", "main~1")]
    found = wire.get("/refs/dev/merge/main").body
    # lakeFS swaps the names of the two sides: only the pair is reliable.
    sides = {found.pop("source_commit_id"), found.pop("destination_commit_id")}
    assert (sides, found) == (set(ids[:2]), {"base_commit_id": ids[2]})
    assert wire.get("/refs/absent/merge/main").refused == 404
    assert wire.get("/refs/main/merge/absent").refused == 404


@pytest.mark.endpoint("merge_into_branch")
def test_a_merge_brings_the_changes_and_has_two_parents(wire: Wire, apart: Repo) -> None:
    parents = [wire.get(f"/branches/{name}").body["commit_id"] for name in ("main", "dev")]
    answer = wire.post("/refs/dev/merge/main", {"message": "mine", "metadata": {"k": "v"}})
    assert (answer.status, list(answer.body)) == (200, ["reference"])
    made = wire.get(f"/commits/{answer.body['reference']}").body
    assert (made["message"], made["parents"]) == ("mine", parents)
    assert made["metadata"].items() >= {"k": "v"}.items()
    assert apart.contents() == {"changed": b"22", "dir/x": b"1", "dir/y": b"1", "same": b"1", "theirs": b"2"}
    assert wire.get("/branches/main").body["commit_id"] == made["id"]


@pytest.mark.endpoint("merge_into_branch")
def test_a_merge_says_what_it_did_unless_told(wire: Wire, apart: Repo) -> None:
    wire.post("/refs/dev/merge/main", {})
    made = wire.get("/commits/main").body
    assert (made["message"], made["metadata"][".lakefs.merge.strategy"]) == (
        "Merge 'dev' into 'main'",
        "default",
    )


@pytest.mark.endpoint("merge_into_branch")
def test_a_squashed_merge_has_one_parent(wire: Wire, apart: Repo) -> None:
    head = wire.get("/branches/main").body["commit_id"]
    assert wire.post("/refs/dev/merge/main", {"squash_merge": True}).status == 200
    assert wire.get("/commits/main").body["parents"] == [head]
    assert "dir/x" in apart.list()


@pytest.mark.endpoint("merge_into_branch")
@pytest.mark.parametrize("source", ["v1", "dev@", "{commit}", "dev~0"])
def test_any_commit_can_be_merged(wire: Wire, apart: Repo, source: str) -> None:
    commit = apart.tag("v1", "dev").commit_id
    assert wire.post(f"/refs/{source.format(commit=commit)}/merge/main", {}).status == 200
    assert wire.get("/commits/main").body["parents"][1] == commit


@pytest.mark.endpoint("merge_into_branch")
def test_nothing_new_is_refused_unless_allowed(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    refused = wire.post("/refs/dev/merge/main", {})
    assert (refused.refused, "no changes" in refused.body["message"]) == (400, True)
    assert wire.post("/refs/dev/merge/main").refused == 400
    assert wire.post("/refs/dev/merge/main", {"allow_empty": True}).status == 200
    assert len(wire.get("/commits/main").body["parents"]) == 2


@pytest.mark.endpoint("merge_into_branch")
def test_a_branch_with_loose_changes_takes_no_merge(wire: Wire, apart: Repo) -> None:
    apart.put("loose", branch="dev")
    apart.put("loose")
    assert wire.post("/refs/dev/merge/main", {}).refused == 400
    wire.put("/branches/main", {"type": "reset"})
    assert wire.post("/refs/dev/merge/main", {}).status == 200
    assert "loose" not in apart.list()


@pytest.mark.endpoint("merge_into_branch")
def test_a_merge_that_makes_no_sense_is_refused(wire: Wire, apart: Repo) -> None:
    assert wire.post("/refs/dev/merge/main", {"strategy": "weird"}).refused == 400
    assert wire.post("/refs/dev/merge/main~1", {}).refused == 400
    assert wire.post("/refs/absent/merge/main", {}).refused == 404
    assert wire.post("/refs/dev/merge/absent", {}).refused == 404


@pytest.fixture
def clash(repo: Repo) -> Repo:
    """Both sides changed `both`, one changed `gone` and the other removed it, and each added a path."""
    repo.save(both=b"0", gone=b"0")
    repo.branch("dev")
    repo.save("dev", both=b"dev", gone=None, dev=b"1")
    repo.save(both=b"main", gone=b"main", main=b"1")
    return repo


@pytest.mark.endpoint("merge_into_branch")
def test_a_conflict_changes_nothing(wire: Wire, clash: Repo) -> None:
    before = wire.get("/branches/main").body
    answer = wire.post("/refs/dev/merge/main", {})
    assert (answer.status, answer.body["reference"]) == (409, "")
    assert wire.get("/branches/main").body == before
    assert clash.uncommitted() == {}


@pytest.mark.endpoint("merge_into_branch")
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("dest-wins", {"both": b"main", "gone": b"main", "main": b"1", "dev": b"1"}),
        ("source-wins", {"both": b"dev", "main": b"1", "dev": b"1"}),
    ],
)
def test_a_strategy_settles_conflicts(
    wire: Wire, clash: Repo, strategy: str, expected: dict[str, bytes]
) -> None:
    assert wire.post("/refs/dev/merge/main", {"strategy": strategy}).status == 200
    assert clash.contents() == expected
    assert wire.get("/commits/main").body["metadata"][".lakefs.merge.strategy"] == strategy


@pytest.mark.endpoint("merge_into_branch")
def test_the_same_change_on_both_sides_is_no_conflict(wire: Wire, repo: Repo) -> None:
    repo.branch("dev")
    repo.save("dev", a=b"1", b=b"1")
    repo.save(a=b"1")
    assert wire.post("/refs/dev/merge/main", {}).status == 200
    assert repo.contents() == {"a": b"1", "b": b"1"}
