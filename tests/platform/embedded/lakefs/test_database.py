"""The database stores all rows of a commit or a merge, or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from include.platform.embedded.lakefs.database import Database, Repository
from include.platform.embedded.lakefs.errors import BadRequest, Corrupt
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.tree import Entry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A repository in a new database."""
    database = Database(tmp_path / "lake.sqlite")
    facts = Repository("flights", "local://flights", "main", 0)
    with database.transaction():
        database.add_repository(facts)
        Store(database, facts).initialise()
    yield Store(database, facts)
    database._connection.close()


def stage(store: Store, branch: str, *paths: str, content: str = "1") -> None:
    with store.database.transaction():
        for path in paths:
            store.stage(branch, path, Entry(path, content, 1, content, 0))


def save(store: Store, branch: str) -> None:
    store.commit(branch, "m", {}, date=None, allow_empty=False)


def rows(tmp_path: Path) -> dict[str, int]:
    """Return the number of rows by table, from another connection."""
    with closing(sqlite3.connect(tmp_path / "lake.sqlite")) as other:
        tables = ("ranges", "versions", "commits", "staging")
        return {table: other.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


@contextmanager
def changing(store: Store, rows: int) -> Iterator[None]:
    """Assert the total number of rows that the block inserts, changes and removes."""
    before = store.database._connection.total_changes
    yield
    assert store.database._connection.total_changes - before == rows


@pytest.mark.parametrize("size", [1_000, 10_000, 100_000])
def test_a_commit_and_a_merge_write_the_ranges_that_changed(store: Store, tmp_path: Path, size: int) -> None:
    paths = [f"t/{number:06}" for number in range(size)]
    with store.database.transaction():
        for path in paths:
            store.database.stage("flights", "main", path, Entry(path, "1", 1, "1", 0))
    save(store, "main")
    store.create_branch("work", "main")
    full = rows(tmp_path)
    assert size / 250 < full["ranges"] < size / 60

    stage(store, "work", paths[size // 2], content="2")
    with changing(store, rows=5):  # a range, a version, a commit, a branch, a staged object
        save(store, "work")
    assert rows(tmp_path) == {**full, "ranges": full["ranges"] + 1, "versions": 3, "commits": 3}

    stage(store, "main", paths[0], content="2")
    save(store, "main")
    with changing(store, rows=3):  # a version, a commit, a branch; the range exists
        store.merge("work", "main", "m", {})
    assert rows(tmp_path) == {**full, "ranges": full["ranges"] + 2, "versions": 5, "commits": 5}
    assert store.entry("main", paths[size // 2]).checksum == store.entry("main", paths[0]).checksum == "2"


def test_a_transaction_that_fails_leaves_nothing(store: Store, tmp_path: Path) -> None:
    before = rows(tmp_path)
    with pytest.raises(BadRequest, match="path is required"):
        stage(store, "main", "a", "b", "")
    assert (rows(tmp_path), list(store.scan("main", ""))) == (before, [])


def test_what_is_not_confirmed_is_seen_by_nobody(store: Store, tmp_path: Path) -> None:
    stage(store, "main", "a")
    before = rows(tmp_path)
    with store.database.transaction():
        save(store, "main")
        assert rows(tmp_path) == before
    assert rows(tmp_path) == {"ranges": 1, "versions": 2, "commits": 2, "staging": 0}


def test_a_range_that_is_lost_is_told_with_its_file(store: Store, tmp_path: Path) -> None:
    stage(store, "main", "a")
    save(store, "main")
    with closing(sqlite3.connect(tmp_path / "lake.sqlite")) as other:
        other.execute("DELETE FROM ranges")
        other.commit()
    with pytest.raises(Corrupt, match=r"lake\.sqlite: restore the lake from a backup"):
        list(store.scan("main", ""))


def test_what_is_staged_is_read_in_pages_of_one_moment(store: Store) -> None:
    paths = [f"t/{number:04}" for number in range(2_500)]
    stage(store, "main", *paths)
    shown = store.scan("main", "t/0001")
    first = [next(shown).path for _ in range(3)]
    with ThreadPoolExecutor(1) as other:
        other.submit(save, store, "main").result()  # empties the staging while it is read
    assert first + [entry.path for entry in shown] == paths[1:]
    assert [entry.path for entry in store.scan("main", "")] == paths
    assert list(store.uncommitted("main")) == []


@pytest.mark.parametrize(
    "read", [lambda store: store.scan("main", ""), lambda store: store.uncommitted("main")]
)
def test_a_look_at_what_is_staged_reads_a_page_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, read: Callable[[Store], Iterator[object]]
) -> None:
    stage(store, "main", *(f"t/{number:04}" for number in range(2_500)))
    sizes, staged = list[int](), Database.staged

    def counted(self: Database, *given: Any) -> Any:
        found = staged(self, *given)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(Database, "staged", counted)
    assert next(read(store)) is not None
    assert sizes == [1_000]
