"""Publishing: one merge, which a retry after a kill finds again."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.exceptions import Absent, Conflict
from include.lake.client import Lake
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
