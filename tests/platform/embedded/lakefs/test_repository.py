"""Branches, tags, refs, commits, logs, diffs and merges."""

from __future__ import annotations

import time

import pytest
from lakefs_client.model.cherry_pick_creation import CherryPickCreation

from tests.support.repo import Repo, refused

# Branches, tags and refs


def test_a_branch_sees_its_source_and_hides_its_own_changes(repo: Repo) -> None:
    head = repo.save(a=b"1")
    assert repo.branch("work") == head
    repo.put("a", b"2", "work")
    assert (repo.get("a", "work"), repo.get("a")) == (b"2", b"1")
    assert repo.client.branches_api.get_branch(repo.name, "work").commit_id == head


def test_a_branch_from_a_branch_takes_only_what_is_committed(repo: Repo) -> None:
    repo.save(a=b"1")
    repo.put("b")
    repo.branch("work")
    assert (repo.list("work"), repo.list()) == (["a"], ["a", "b"])


def test_a_name_is_given_to_one_branch(repo: Repo) -> None:
    repo.branch("work")
    with refused(409, "already exists"):
        repo.branch("work")
    with refused(404, "'nowhere' not found"):
        repo.branch("other", "nowhere")


def test_a_deleted_branch_is_gone_with_what_was_staged(repo: Repo) -> None:
    repo.branch("work")
    repo.put("a", b"1", "work")
    repo.client.branches_api.delete_branch(repo.name, "work")
    with refused(404, "'work' not found"):
        repo.list("work")
    repo.branch("work")
    assert repo.list("work") == []
    with refused(404, "'nowhere' not found"):
        repo.client.branches_api.delete_branch(repo.name, "nowhere")


def test_the_default_branch_stays(repo: Repo) -> None:
    with refused(403, "default branch"):
        repo.client.branches_api.delete_branch(repo.name, "main")
    assert repo.log() == ["Repository created"]


def test_branches_are_listed_in_order_by_prefix_and_page(repo: Repo) -> None:
    for name in ("w3", "w1", "w2", "other"):
        repo.branch(name)
    page = repo.client.branches_api.list_branches(repo.name, prefix="w", amount=2)
    assert ([b.id for b in page.results], page.pagination.has_more) == (["w1", "w2"], True)
    rest = repo.client.branches_api.list_branches(repo.name, prefix="w", after=page.pagination.next_offset)
    assert ([b.id for b in rest.results], rest.pagination.has_more) == (["w3"], False)


def test_a_tag_stays_on_its_commit(repo: Repo) -> None:
    first = repo.save(a=b"1")
    assert (repo.tag("v1").id, repo.tag("v2").commit_id) == ("v1", first)
    repo.save(a=b"2")
    assert (repo.get("a", "v1"), repo.get("a")) == (b"1", b"2")
    with refused(409, "already exists"):
        repo.tag("v1")
    with refused(404, "branch 'v1' not found"):
        repo.put("a", branch="v1")
    assert [tag.id for tag in repo.client.tags_api.list_tags(repo.name).results] == ["v1", "v2"]


def test_a_deleted_tag_is_gone(repo: Repo) -> None:
    repo.tag("v1")
    repo.client.tags_api.delete_tag(repo.name, "v1")
    with refused(404, "'v1' not found"):
        repo.client.tags_api.get_tag(repo.name, "v1")
    with refused(404, "'v1' not found"):
        repo.client.tags_api.delete_tag(repo.name, "v1")


@pytest.fixture
def history(repo: Repo) -> dict[str, str]:
    """Commits of main: root, one, two, and a merge of `work`, which has `side` after one."""
    commits = {"root": repo.client.branches_api.get_branch(repo.name, "main").commit_id}
    commits["one"] = repo.save(a=b"1")
    repo.branch("work")
    commits["two"] = repo.save(a=b"2")
    commits["side"] = repo.save("work", b=b"1")
    commits["merge"] = repo.merge("work")
    repo.tag("v1", "work")
    return commits


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("main", "merge"),
        ("main@", "merge"),
        ("main^0", "merge"),
        ("main~0", "merge"),
        ("main~", "two"),
        ("main^", "two"),
        ("main^1", "two"),
        ("main^2", "side"),
        ("main^2~1", "one"),
        ("main~2", "one"),
        ("main~3", "root"),
        ("main~~^", "root"),
        ("v1", "side"),
        ("v1^", "one"),
    ],
)
def test_an_expression_stands_for_a_commit(
    repo: Repo, history: dict[str, str], ref: str, expected: str
) -> None:
    assert repo.client.commits_api.get_commit(repo.name, ref).id == history[expected]


def test_a_commit_is_found_by_the_start_of_its_id(repo: Repo, history: dict[str, str]) -> None:
    wanted = history["side"]
    others = [commit for commit in history.values() if commit != wanted]
    shortest = next(n for n in range(1, 65) if not any(other[:n] == wanted[:n] for other in others))
    for ref in (wanted, wanted[:12], wanted[:shortest]):
        assert repo.client.commits_api.get_commit(repo.name, ref).id == wanted
    if shortest > 1:
        with refused(404, "not found"):
            repo.client.commits_api.get_commit(repo.name, wanted[: shortest - 1])


@pytest.mark.parametrize("ref", ["nowhere", "main~9", "0" * 64])
def test_a_ref_that_stands_for_nothing_is_not_found(repo: Repo, history: dict[str, str], ref: str) -> None:
    with refused(404, "not found" if "~" not in ref else "has no parent"):
        repo.list(ref)


@pytest.mark.parametrize(
    "ref", ["main^3", "v1^2", "main~x", "main@~", "main~@", "v1@", "v1$", "~1", "@", "a b"]
)
def test_a_ref_that_makes_no_sense_is_refused(repo: Repo, history: dict[str, str], ref: str) -> None:
    with refused(400, "not valid"):
        repo.list(ref)


# Commits


def test_a_commit_carries_what_it_was_given(repo: Repo) -> None:
    root = repo.client.branches_api.get_branch(repo.name, "main").commit_id
    repo.put("a")
    made = repo.commit("load 1 April", metadata={"rows": "7", "Größe": "✓"}, date=1_364_774_400)
    assert repo.client.commits_api.get_commit(repo.name, made.id) == made
    assert (made.message, made.metadata, made.parents) == (
        "load 1 April",
        {"rows": "7", "Größe": "✓"},
        [root],
    )
    assert made.creation_date == 1_364_774_400


def test_a_commit_without_changes_is_refused_unless_asked_for(repo: Repo) -> None:
    with refused(400, "no changes"):
        repo.commit()
    repo.commit("empty", allow_empty=True)
    assert repo.log() == ["empty", "Repository created"]


def test_the_same_content_again_is_no_change(repo: Repo) -> None:
    repo.save(a=b"1", b=b"2")
    time.sleep(1.1)  # times of objects have whole seconds
    repo.put("a", b"1")
    repo.delete("b")
    repo.put("b", b"2")
    repo.put("passing")
    repo.delete("passing")
    assert repo.uncommitted() == {}
    with refused(400, "no changes"):
        repo.commit()


def test_the_uncommitted_changes_of_a_branch(repo: Repo) -> None:
    repo.save(changed=b"1", removed=b"1", same=b"1")
    repo.put("changed", b"2")
    repo.put("added")
    repo.delete("removed")
    repo.put("same", b"1")
    assert repo.uncommitted() == {"added": "added", "changed": "changed", "removed": "removed"}
    repo.commit()
    assert (repo.uncommitted(), repo.list()) == ({}, ["added", "changed", "same"])


def test_the_log_shows_children_before_parents(repo: Repo, history: dict[str, str]) -> None:
    merged = "Merge 'work' into 'main'"
    everything = [c.id for c in repo.client.refs_api.log_commits(repo.name, "main").results]
    assert everything[0] == history["merge"]
    assert sorted(everything) == sorted(history.values())
    assert everything[-2:] == [history["one"], history["root"]]
    assert repo.log(first_parent=True) == [merged, "m", "m", "Repository created"]
    assert repo.log(amount=1) == [merged]


def test_the_pages_of_a_log_join(repo: Repo, history: dict[str, str]) -> None:
    log = repo.client.refs_api.log_commits
    whole = [commit.id for commit in log(repo.name, "main").results]
    first = log(repo.name, "main", amount=2)
    rest = log(repo.name, "main", amount=10, after=first.pagination.next_offset)
    assert [commit.id for commit in [*first.results, *rest.results]] == whole
    assert (first.pagination.has_more, rest.pagination.has_more) == (True, False)


# Diffs and merges


def test_a_diff_with_three_dots_shows_what_the_right_side_changed(repo: Repo) -> None:
    repo.save(a=b"1", b=b"1", c=b"1")
    repo.branch("work")
    repo.save(a=b"main")
    repo.save("work", b=b"2", c=None, d=b"1")
    assert repo.diff("main", "work") == {"b": "changed", "c": "removed", "d": "added"}
    assert repo.diff("main", "work", type="two_dot") == {
        "a": "changed",
        "b": "changed",
        "c": "removed",
        "d": "added",
    }
    assert repo.diff("work", "main") == {"a": "changed"}


def test_a_diff_is_cut_by_prefix_page_and_delimiter(repo: Repo) -> None:
    repo.branch("work")
    repo.save("work", **{"a/1": b"", "a/2": b"", "b/1": b"", "c": b""})
    assert list(repo.diff("main", "work", prefix="a/")) == ["a/1", "a/2"]
    assert list(repo.diff("main", "work", after="a/2", amount=1)) == ["b/1"]
    assert repo.diff("main", "work", delimiter="/") == {
        "a/": "prefix_changed",
        "b/": "prefix_changed",
        "c": "added",
    }


@pytest.mark.parametrize("amount", [1, 2, 3])
def test_pages_of_a_diff_with_folders_join(repo: Repo, amount: int) -> None:
    repo.branch("work")
    repo.save("work", **dict.fromkeys(["a", "a/1", "a/2", "a0", "b/1"], b""))
    repo.put("b/2", b"", "work")
    repo.delete("a0", "work")
    repo.put("c", b"", "work")
    for right, whole in (("work", ["a", "a/", "a0", "b/"]), ("work$", ["a", "a/", "b/", "c"])):
        found, after, more = list[str](), "", True
        while more:
            page = repo.client.refs_api.diff_refs(
                repo.name, "main", right, type="two_dot", delimiter="/", after=after, amount=amount
            )
            found += [row.path for row in page.results]
            more, after = page.pagination.has_more, page.pagination.next_offset
        assert found == whole


def test_a_merge_takes_over_what_one_side_changed(repo: Repo) -> None:
    repo.save(a=b"1", b=b"1", c=b"1", both=b"1")
    repo.branch("work")
    ours = repo.save(a=b"main", both=b"same", d=b"main")
    theirs = repo.save("work", b=b"work", c=None, both=b"same", e=b"work")
    made = repo.client.commits_api.get_commit(repo.name, repo.merge("work", message="m", metadata={"k": "v"}))
    assert (made.parents, made.message, made.metadata) == (
        [ours, theirs],
        "m",
        {"k": "v", ".lakefs.merge.strategy": "default"},
    )
    assert repo.contents() == {"a": b"main", "b": b"work", "both": b"same", "d": b"main", "e": b"work"}


@pytest.mark.parametrize(
    ("main", "work"), [(b"2", b"3"), (None, b"3"), (b"2", None)], ids=["changed", "removed", "remove"]
)
def test_a_conflict_of_one_object_stops_the_whole_merge(
    repo: Repo, main: bytes | None, work: bytes | None
) -> None:
    repo.save(a=b"1", b=b"1", x=b"1")
    repo.branch("work")
    head = repo.save(a=main)
    repo.save("work", a=work, b=b"work", x=None)
    with refused(409, "conflict found: 1 object(s), a"):
        repo.merge("work")
    assert repo.client.branches_api.get_branch(repo.name, "main").commit_id == head
    assert repo.get("b") == b"1"


@pytest.mark.parametrize(("strategy", "expected"), [("source-wins", b"work"), ("dest-wins", b"main")])
def test_a_strategy_decides_conflicts_and_nothing_else(repo: Repo, strategy: str, expected: bytes) -> None:
    repo.save(a=b"1")
    repo.branch("work")
    repo.save(a=b"main", b=b"main")
    repo.save("work", a=b"work", c=b"work")
    repo.merge("work", strategy=strategy)
    assert repo.contents() == {"a": expected, "b": b"main", "c": b"work"}


def test_a_merge_whose_every_change_lost_still_joins_the_histories(repo: Repo) -> None:
    repo.save(a=b"1")
    repo.branch("work")
    repo.save(a=b"main")
    repo.save("work", a=b"work")
    repo.merge("work", strategy="dest-wins")
    repo.save("work", b=b"work")
    repo.merge("work")
    assert repo.contents() == {"a": b"main", "b": b"work"}


def test_a_merge_of_what_is_merged_is_refused(repo: Repo) -> None:
    repo.branch("work")
    repo.save("work", a=b"1")
    repo.merge("work")
    with refused(400, "no changes"):
        repo.merge("work")
    with refused(400, "no changes"):
        repo.merge("main", "main")


def test_a_merge_into_a_branch_with_uncommitted_changes_is_refused(repo: Repo) -> None:
    repo.branch("work")
    repo.save("work", a=b"1")
    repo.put("b")
    with refused(400, "uncommitted changes"):
        repo.merge("work")
    assert repo.list() == ["b"]


def test_a_merge_is_not_hidden_by_what_was_staged_and_taken_back(repo: Repo) -> None:
    repo.save(a=b"1")
    repo.branch("work")
    repo.save("work", a=b"2", b=b"2")
    repo.put("a", b"1")
    repo.put("b")
    repo.delete("b")
    repo.merge("work")
    assert (repo.contents(), repo.uncommitted()) == ({"a": b"2", "b": b"2"}, {})


def test_a_merge_leaves_what_its_source_has_not_committed(repo: Repo) -> None:
    repo.branch("work")
    repo.save("work", a=b"1")
    repo.put("b", b"1", "work")
    repo.merge("work")
    assert (repo.list(), repo.uncommitted("work")) == (["a"], {"b": "added"})


def test_the_merge_base_is_where_the_sides_parted(repo: Repo, history: dict[str, str]) -> None:
    found = repo.client.refs_api.find_merge_base(repo.name, history["side"], history["two"])
    assert (found.source_commit_id, found.destination_commit_id, found.base_commit_id) == (
        history["side"],
        history["two"],
        history["one"],
    )


def test_a_branch_merged_again_and_again_conflicts_only_on_what_is_new(repo: Repo) -> None:
    repo.branch("work")
    for number in range(3):
        repo.save("work", a=b"work %d" % number)
        repo.merge("work")
        repo.save(b=b"main %d" % number)
    repo.merge("main", "work")
    assert repo.contents("work") == repo.contents() == {"a": b"work 2", "b": b"main 2"}


def test_the_last_character_there_is_hides_nothing_and_holds_up_nobody(repo: Repo) -> None:
    repo.put("a/\U0010ffffx")
    repo.put("b")
    shown = repo.client.objects_api.list_objects(repo.name, "main", delimiter="/").results
    assert [row.path for row in shown] == ["a/", "b"]


def test_a_commit_stays_what_it_is_when_it_is_picked(repo: Repo) -> None:
    repo.branch("work")
    repo.save(b=b"1")
    repo.put("a", b"1", "work")
    commit = repo.commit("mine", "work", metadata={"k": "v"}).id
    repo.client.branches_api.cherry_pick(repo.name, "main", CherryPickCreation(ref=commit))
    assert repo.client.commits_api.get_commit(repo.name, commit).metadata == {"k": "v"}
    assert repo.list() == ["a", "b"]
