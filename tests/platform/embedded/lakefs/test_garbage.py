"""Garbage collection removes what is unreachable and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.database import Database, Repository
from include.platform.embedded.lakefs.errors import Corrupt
from include.platform.embedded.lakefs.garbage import Garbage, collect
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.tree import Entry
from include.settings import ROOT
from tests.support.lake import LakeServer

WEEK = 7 * 24 * 3600


class Folder:
    """A lake's folder without a server, with a repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path / "lake.sqlite")
        self.blobs = Blobs(path / "objects")
        facts = Repository("flights", "local://flights", "main", 0)
        with self.database.transaction():
            self.database.add_repository(facts)
            Store(self.database, facts).initialise()
        self.store = Store(self.database, facts)

    def put(self, branch: str, *paths: str) -> None:
        """Stage objects whose content is their path."""
        for path in paths:
            with self.blobs.incoming() as incoming:
                incoming.write([path.encode()])
                stored = incoming.finish()
                with self.database.transaction():
                    self.blobs.keep(incoming, stored.address)
                    entry = Entry(path, stored.checksum, stored.size, stored.address, 0)
                    self.store.stage(branch, path, entry)

    def save(self, branch: str, *paths: str) -> str:
        self.put(branch, *paths)
        return self.store.commit(branch, "m", {}).id

    def age(self) -> None:
        """Make everything older than any retention."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE commits SET written = 0")
        for file in self.path.glob("objects/??/*"):
            os.utime(file, (0, 0))

    def contents(self) -> set[str]:
        return {file.read_text() for file in self.path.glob("objects/??/*")}

    def readable(self, ref: str) -> set[str]:
        """Paths at a ref, each read and found to hold its own path."""
        found = {}
        for entry in self.store.scan(ref, ""):
            chunks = self.blobs.read(entry.address, 0, entry.size - 1, whole=True)
            found[entry.path] = b"".join(chunks).decode()
        assert found == {path: path for path in found}
        return set(found)

    def collect(self, retention: float = WEEK, *, dry_run: bool = False) -> Garbage:
        return collect(self.database, self.blobs, retention, dry_run=dry_run)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.database._connection.close()


@pytest.fixture
def loose(folder: Folder) -> str:
    """An old lake: `main` has a/1, a tag has b/1, c/1 is staged, and d/1 is in an unreachable commit."""
    folder.save("main", "a/1")
    folder.store.create_branch("tagged", "main")
    folder.store.create_tag("v1", folder.save("tagged", "b/1"))
    folder.store.create_branch("gone", "main")
    commit = folder.save("gone", "d/1")
    folder.put("gone", "d/staged")
    for branch in ("tagged", "gone"):
        folder.store.delete_branch(branch)
    folder.put("main", "c/1")
    folder.age()
    return commit


FOUND = Garbage(commits=1, versions=1, ranges=1, contents=2, size=len("d/1" + "d/staged"))
NOTHING = Garbage(0, 0, 0, 0, 0)


@pytest.mark.usefixtures("loose")
def test_what_nothing_reaches_goes_and_all_else_stays(folder: Folder) -> None:
    assert folder.collect() == FOUND
    assert folder.contents() == {"a/1", "b/1", "c/1"}
    assert (folder.readable("main"), folder.readable("v1")) == ({"a/1", "c/1"}, {"a/1", "b/1"})
    assert folder.collect() == NOTHING


@pytest.mark.usefixtures("loose")
def test_a_dry_run_counts_the_same_and_removes_nothing(folder: Folder) -> None:
    assert folder.collect(dry_run=True) == folder.collect(dry_run=True) == FOUND
    assert folder.contents() == {"a/1", "b/1", "c/1", "d/1", "d/staged"}


def test_what_is_young_stays_with_all_that_it_came_from(folder: Folder) -> None:
    folder.store.create_branch("work", "main")
    old = folder.save("work", "old")
    folder.age()
    young = folder.save("work", "young")
    folder.store.delete_branch("work")
    assert folder.collect() == NOTHING
    assert (folder.readable(young), folder.readable(old)) == ({"old", "young"}, {"old"})
    assert folder.collect(retention=0).commits == 2


def test_the_date_that_an_author_gives_makes_no_commit_old(folder: Folder) -> None:
    folder.store.create_branch("work", "main")
    folder.put("work", "a")
    commit = folder.store.commit("work", "m", {}, date=0).id
    folder.store.delete_branch("work")
    assert (folder.collect(), folder.readable(commit)) == (NOTHING, {"a"})


def test_a_deleted_repository_is_garbage(folder: Folder) -> None:
    folder.save("main", "a")
    folder.age()
    folder.database.remove_repository("flights")
    assert folder.collect() == Garbage(0, 2, 1, 1, 1)
    assert folder.contents() == set()


def meanwhile(folder: Folder, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Call a function after marking, and before anything is removed."""
    listed = folder.blobs.older_than

    def older_than(moment: float) -> Iterator[tuple[str, int]]:
        found = list(listed(moment))
        work()
        yield from found

    monkeypatch.setattr(folder.blobs, "older_than", older_than)


def test_a_commit_that_gets_a_branch_meanwhile_stays(
    folder: Folder, loose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(folder, monkeypatch, lambda: folder.store.create_branch("again", loose))
    assert folder.collect() == Garbage(0, 0, 0, 1, len("d/staged"))
    assert folder.readable("again") == {"a/1", "d/1"}


@pytest.mark.usefixtures("loose")
def test_a_content_that_is_stored_again_meanwhile_stays(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(folder, monkeypatch, lambda: folder.put("main", "d/1"))
    folder.collect()
    assert folder.readable("main") == {"a/1", "c/1", "d/1"}


@pytest.mark.usefixtures("loose")
def test_a_content_that_gets_an_owner_last_of_all_stays_however_old_it_looks(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = folder.database.remove

    def then_store(commits: set[tuple[str, str]], versions: set[str], ranges: set[str]) -> None:
        remove(commits, versions, ranges)
        folder.put("main", "d/1")
        folder.age()

    monkeypatch.setattr(folder.database, "remove", then_store)
    folder.collect()
    assert folder.readable("main") == {"a/1", "c/1", "d/1"}


@pytest.mark.usefixtures("loose")
def test_a_range_that_is_written_again_meanwhile_stays(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again() -> None:
        folder.store.create_branch("again", "main")
        folder.save("again", "d/1")

    meanwhile(folder, monkeypatch, again)
    folder.collect()
    assert folder.readable("again") == {"a/1", "d/1"}


class Killed(BaseException):
    """The end of the process."""


@pytest.mark.usefixtures("loose")
@pytest.mark.parametrize("steps", range(4))
def test_killed_at_any_step_it_can_run_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    left = count(steps, -1)

    def mortal(owner: object, name: str) -> None:
        call = getattr(owner, name)

        def wrapped(*arguments: object) -> None:
            if next(left) == 0:
                raise Killed
            call(*arguments)

        monkeypatch.setattr(owner, name, wrapped)

    mortal(folder.blobs, "remove")
    mortal(folder.database, "remove")
    if steps < 3:
        with pytest.raises(Killed):
            folder.collect()
    folder.collect()
    assert folder.contents() == {"a/1", "b/1", "c/1"}
    assert (folder.readable("main"), folder.readable("v1")) == ({"a/1", "c/1"}, {"a/1", "b/1"})


@pytest.mark.usefixtures("loose")
def test_nothing_is_removed_when_a_part_that_is_in_use_cannot_be_read(folder: Folder) -> None:
    with folder.database.transaction() as connection:
        connection.execute("UPDATE ranges SET content = x'00' WHERE rowid = 1")
    folder.database.load_range.cache_clear()
    with pytest.raises(Corrupt, match="restore the lake from a backup"):
        folder.collect()
    assert folder.contents() == {"a/1", "b/1", "c/1", "d/1", "d/staged"}


def run_gc(server: LakeServer, *options: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "include.platform.embedded.lakefs", "gc", *options],
        cwd=ROOT,
        env={**os.environ, "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(server.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def test_the_command_says_what_it_would_remove(mortal: LakeServer, tmp_path: Path) -> None:
    lake = mortal.lake("garbage")
    lake.create_branch("gone", "main")
    (tmp_path / "file").write_text("content")
    lake.upload("gone", "a", tmp_path / "file")
    lake.commit("gone", "m", {})
    lake.delete_branch("gone")
    found = "1 commits, 1 versions, 1 ranges and 1 contents of 7 bytes"
    assert run_gc(mortal).startswith("removed 0 commits, 0 versions, 0 ranges and 0 contents of 0 bytes")
    time.sleep(1.1)  # times of commits have whole seconds
    assert run_gc(mortal, "--dry-run", "--retention", "0").startswith(f"would remove {found}")
    assert run_gc(mortal, "--retention", "0").startswith(f"removed {found} that are unreachable")


def test_beside_a_busy_server_nothing_is_lost(mortal: LakeServer, tmp_path: Path) -> None:
    """Four writers store the same few contents again and again, and let go of them, while all that is
    loose for a moment is taken away."""
    lake, over = mortal.lake("busy"), threading.Event()
    for content in "abc":
        (tmp_path / content).write_text(content)

    def write(number: int) -> int:
        mine, branch = mortal.lake("busy"), f"w{number}"
        for turn in count():
            mine.create_branch(branch, "main")
            for content in "abc":
                mine.upload(branch, f"{number}/{content}", tmp_path / content)
            mine.commit(branch, "m", {})
            mine.delete_object(branch, f"{number}/a")
            read = {
                item.path: mine.download(f"{branch}@", item.path) for item in mine.list_objects(f"{branch}@")
            }
            assert read == {f"{number}/{content}": content.encode() for content in "abc"}
            mine.delete_branch(branch)
            if over.is_set():
                return turn
        return 0

    with ThreadPoolExecutor(4) as pool:
        turns = [pool.submit(write, number) for number in range(4)]
        said = [run_gc(mortal, "--retention", "0") for _ in range(4)]
        over.set()
    assert min(turn.result() for turn in turns) > 0
    assert any("removed 0 commits" not in text for text in said), said
    assert list(lake.list_objects("main")) == []
