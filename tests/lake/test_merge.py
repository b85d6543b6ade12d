"""Publishing: one merge, which a retry after a kill finds again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from include.exceptions import Absent, Conflict, Unauthorized, UncommittedChanges
from include.lake.client import Change, Lake
from include.lake.idempotency import CommitResult
from include.lake.merge import publish
from include.run_identity import RunIdentity

RUN = RunIdentity(dag_id="flights.ingest", run_id="r1", logical_date="2013-04-01", code_version="abc")


class Killed(Exception):
    """The process ends here."""


class Mortal(Lake):
    """A lake whose user is killed when it comes to delete a branch."""

    def delete_branch(self, name: str) -> None:
        raise Killed


def write(lake: Lake, branch: str, folder: Path, content: str = "1", path: str = "t/a") -> None:
    file = folder / "file"
    file.write_text(content)
    lake.upload(branch, path, file)
    lake.commit(branch, "load", {})


@pytest.fixture
def loaded(lake: Lake, tmp_path: Path) -> Lake:
    """A repository with a branch `work` that holds a new object."""
    lake.create_branch("work", "main")
    write(lake, "work", tmp_path)
    return lake


def merges(lake: Lake) -> list[str]:
    return [commit.id for commit in lake.log("main") if "source_branch" in commit.metadata]


def test_what_is_published_is_seen_at_once_and_says_who_did_it(loaded: Lake) -> None:
    published = publish(loaded, "work", into="main", run=RUN, metadata={"rows": "7"})
    commit = loaded.get_commit("main")
    assert published == CommitResult(commit.id, changed=True)
    assert commit.message == "flights.ingest: publish work"
    ours = {name: value for name, value in commit.metadata.items() if not name.startswith(".lakefs")}
    assert ours == {**RUN.metadata(), "rows": "7", "source_branch": "work"}
    assert (loaded.download("main", "t/a"), loaded.ref_exists("work")) == (b"1", False)


def test_a_try_after_success_finds_it(loaded: Lake) -> None:
    first = publish(loaded, "work", into="main", run=RUN)
    assert publish(loaded, "work", into="main", run=RUN) == first
    assert merges(loaded) == [first.commit]


def test_a_try_after_a_kill_between_merge_and_delete_finds_the_merge(loaded: Lake, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        publish(Mortal(loaded.connection, loaded.repository), "work", into="main", run=RUN)
    (merged,) = merges(loaded)
    write(loaded, "main", tmp_path, "changed by others since")
    assert publish(loaded, "work", into="main", run=RUN) == CommitResult(merged, changed=True)
    assert (merges(loaded), loaded.ref_exists("work")) == ([merged], False)
    assert loaded.download("main", "t/a") == b"changed by others since"


def test_a_branch_without_changes_publishes_nothing(lake: Lake) -> None:
    before = lake.create_branch("work", "main")
    assert publish(lake, "work", into="main", run=RUN) == CommitResult(before, changed=False)
    assert (merges(lake), lake.ref_exists("work")) == ([], False)


def test_the_branch_can_be_kept(loaded: Lake) -> None:
    first = publish(loaded, "work", into="main", run=RUN, delete_source=False)
    assert loaded.ref_exists("work")
    assert publish(loaded, "work", into="main", run=RUN, delete_source=False) == first


def test_a_conflict_changes_nothing_and_keeps_the_branch(loaded: Lake, tmp_path: Path) -> None:
    write(loaded, "main", tmp_path, "2")
    before = loaded.resolve("main")
    with pytest.raises(Conflict, match="t/a"):
        publish(loaded, "work", into="main", run=RUN)
    assert (loaded.resolve("main"), loaded.ref_exists("work")) == (before, True)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, "'scratch/0'"),
        (5, "'scratch/0', 'scratch/1', 'scratch/2', 'scratch/3', 'scratch/4'"),
        (6, "'scratch/0', 'scratch/1', 'scratch/2', 'scratch/3', 'scratch/4' and more"),
    ],
)
def test_uncommitted_changes_of_the_target_are_named_and_it_goes_on_without_them(
    loaded: Lake, count: int, shown: str
) -> None:
    for number in range(count):
        loaded.upload("main", f"scratch/{number}", BytesIO(b"theirs"))
    with pytest.raises(UncommittedChanges) as raised:
        publish(loaded, "work", into="main", run=RUN)
    assert str(raised.value) == (
        f"merge of 'work' into 'main' in repository {loaded.repository!r} at "
        f"{loaded.connection.endpoint!r} is refused: branch 'main' has uncommitted changes of {shown}; "
        "commit or reset them on 'main', then clear this task"
    )
    assert (merges(loaded), loaded.ref_exists("work")) == ([], True)

    loaded.reset_branch("main")
    assert publish(loaded, "work", into="main", run=RUN).changed


@pytest.mark.parametrize("kind", ["deleted", "changed"])
def test_any_kind_of_uncommitted_change_is_named(loaded: Lake, tmp_path: Path, kind: str) -> None:
    write(loaded, "main", tmp_path, path="scratch/a")
    if kind == "deleted":
        loaded.delete_object("main", "scratch/a")
    else:
        loaded.upload("main", "scratch/a", BytesIO(b"changed"))
    with pytest.raises(UncommittedChanges, match="'scratch/a'; commit or reset them on 'main', then clear"):
        publish(loaded, "work", into="main", run=RUN)


CHANGING: dict[str, Callable[[Lake], object]] = {
    "revert": lambda lake: lake.revert("main", "main", "m", {}),
    "cherry-pick": lambda lake: lake.cherry_pick("main", "work", "m", {}),
}


@pytest.mark.parametrize("action", CHANGING)
def test_what_else_needs_a_clean_branch_names_the_changes_too(
    loaded: Lake, tmp_path: Path, action: str
) -> None:
    write(loaded, "main", tmp_path, path="b")
    loaded.upload("main", "scratch/a", BytesIO(b"theirs"))
    with pytest.raises(
        UncommittedChanges, match=f"^{action} of .* uncommitted changes of 'scratch/a'; commit"
    ):
        CHANGING[action](loaded)


def test_changes_that_cannot_be_listed_leave_what_the_lake_said(loaded: Lake) -> None:
    class Blind(Lake):
        def uncommitted(self, branch: str, *, prefix: str = "") -> Iterator[Change]:
            raise Unauthorized(branch)

    loaded.upload("main", "scratch/a", BytesIO(b"theirs"))
    with pytest.raises(
        UncommittedChanges, match=r"dirty branch.*; commit or reset the changes of the branch"
    ):
        publish(Blind(loaded.connection, loaded.repository), "work", into="main", run=RUN)


def test_a_branch_that_nobody_published_is_absent(lake: Lake) -> None:
    with pytest.raises(Absent, match="'work'"):
        publish(lake, "work", into="main", run=RUN)


def test_the_merge_of_another_run_is_not_taken_for_ones_own(loaded: Lake) -> None:
    publish(loaded, "work", into="main", run=RUN)
    other = RunIdentity(dag_id="flights.ingest", run_id="r2")
    with pytest.raises(Absent, match="'work'"):
        publish(loaded, "work", into="main", run=other)


def test_a_squash_is_made_once_whatever_came_after_it(loaded: Lake, tmp_path: Path) -> None:
    first = publish(loaded, "work", into="main", run=RUN, delete_source=False, squash=True)
    write(loaded, "main", tmp_path, "newer")
    again = publish(
        loaded, "work", into="main", run=RUN, delete_source=False, squash=True, strategy="source-wins"
    )
    assert (again, merges(loaded)) == (first, [first.commit])
    assert loaded.download("main", "t/a") == b"newer"


def test_a_squash_of_what_was_added_since_is_another(loaded: Lake, tmp_path: Path) -> None:
    first = publish(loaded, "work", into="main", run=RUN, delete_source=False, squash=True)
    write(loaded, "work", tmp_path, "more", "t/b")
    second = publish(loaded, "work", into="main", run=RUN, squash=True)
    assert (second.changed, second == first) == (True, False)
    assert publish(loaded, "work", into="main", run=RUN, squash=True) == second


def test_a_target_that_is_missing_is_absent_and_the_branch_stays(loaded: Lake) -> None:
    with pytest.raises(Absent, match="'nowhere'"):
        publish(loaded, "work", into="nowhere", run=RUN)
    assert loaded.ref_exists("work")
