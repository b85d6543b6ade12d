"""The other published clients: `lakefs`, the high-level one, and `lakefs-spec`, the file system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import lakefs
import pandas as pd
import pytest
from lakefs.client import Client
from lakefs.exceptions import ConflictException, NotFoundException, ObjectExistsException
from lakefs_spec import LakeFSFileSystem

from include.lake.client import LakeConnection
from tests.support.repo import Repo


@pytest.fixture
def high(server: LakeConnection, repo: Repo) -> lakefs.Repository:
    """The repository in the high-level client."""
    client = Client(host=server.endpoint, username=server.access_key_id, password=server.secret_access_key)
    return lakefs.Repository(repo.name, client=client)


def test_lakefs_makes_and_deletes_a_repository(high: lakefs.Repository) -> None:
    made = lakefs.Repository(f"contract-{uuid4().hex[:12]}", client=high._client)
    made.create(storage_namespace=f"local://{made.id}")
    assert (made.properties.default_branch, [branch.id for branch in made.branches()]) == ("main", ["main"])
    made.delete()
    with pytest.raises(NotFoundException):
        made.branch("main").get_commit()


def test_lakefs_writes_reads_and_commits(high: lakefs.Repository) -> None:
    main = high.branch("main")
    made = main.object("dir/a.txt").upload(b"0123456789", metadata={"k": "v"}, content_type="text/plain")
    assert (made.stat().metadata, made.stat().content_type) == ({"k": "v"}, "text/plain")
    with made.reader(mode="rb") as reader:
        reader.seek(4)
        assert (reader.read(2), reader.read()) == (b"45", b"6789")
    with main.object("b.txt").writer(mode="w") as writer:
        writer.write("text")
    assert [change.path for change in main.uncommitted()] == ["b.txt", "dir/a.txt"]
    commit = main.commit("both", metadata={"run": "1"}).get_commit()
    assert (commit.message, commit.metadata, list(main.uncommitted())) == ("both", {"run": "1"}, [])
    assert [item.path for item in main.objects(delimiter="/")] == ["b.txt", "dir/"]


def test_lakefs_refuses_what_is_there_and_misses_what_is_not(high: lakefs.Repository) -> None:
    file = high.branch("main").object("a")
    file.upload(b"1", mode="xb")
    with pytest.raises(ObjectExistsException):
        file.upload(b"2", mode="xb")
    with pytest.raises(NotFoundException):
        high.branch("main").object("absent").stat()
    with pytest.raises(ConflictException):
        high.branch("main").create("main")
    assert high.branch("main").object("absent").exists() is False


def test_lakefs_merges_tags_and_tells_differences(high: lakefs.Repository) -> None:
    main = high.branch("main")
    dev = high.branch("dev").create("main")
    dev.object("a").upload(b"1")
    dev.commit("on dev")
    assert [(change.type, change.path) for change in main.diff(dev)] == [("added", "a")]
    merged = dev.merge_into(main)
    tag = high.tag("v1").create(main)
    assert (tag.get_commit().id, [row.id for row in high.tags()]) == (merged, ["v1"])
    assert [commit.message for commit in main.log(max_amount=2)][1] == "on dev"
    main.revert(main.head, parent_number=1)
    assert ([item.path for item in main.objects()], tag.object("a").exists()) == ([], True)


def test_lakefs_takes_many_objects_away(high: lakefs.Repository) -> None:
    main = high.branch("main")
    for number in range(5):
        main.object(f"many/{number}").upload(b"x")
    main.delete_objects([f"many/{number}" for number in range(3)])
    assert [item.path for item in main.objects(prefix="many/", max_amount=10)] == ["many/3", "many/4"]
    main.reset_changes()
    assert list(main.objects()) == []


def test_lakefs_transactions_are_merged_or_dropped(high: lakefs.Repository) -> None:
    main = high.branch("main")
    with main.transact("all of it") as branch:
        branch.object("a").upload(b"1")
        assert main.object("a").exists() is False
    assert main.object("a").exists() is True
    with suppress(InterruptedError), main.transact("nothing of it") as branch:
        branch.object("b").upload(b"1")
        raise InterruptedError
    assert main.object("b").exists() is False


@pytest.fixture
def files(server: LakeConnection) -> Iterator[LakeFSFileSystem]:
    """The lake as a file system."""
    LakeFSFileSystem.clear_instance_cache()
    yield LakeFSFileSystem(
        host=server.endpoint, username=server.access_key_id, password=server.secret_access_key
    )
    LakeFSFileSystem.clear_instance_cache()


def test_the_file_system_writes_lists_and_reads(files: LakeFSFileSystem, repo: Repo) -> None:
    root = f"lakefs://{repo.name}/main"
    files.pipe(f"{root}/dir/a.bin", b"0123456789")
    with files.open(f"{root}/dir/b.txt", "wt") as file:
        file.write("text")
    assert files.cat_file(f"{root}/dir/a.bin", start=2, end=4) == b"23"
    assert sorted(files.ls(f"{root}/dir/", detail=False)) == [
        f"{repo.name}/main/dir/a.bin",
        f"{repo.name}/main/dir/b.txt",
    ]
    assert (files.info(f"{root}/dir/a.bin")["size"], files.isdir(f"{root}/dir/")) == (10, True)
    assert (files.exists(f"{root}/dir/b.txt"), files.exists(f"{root}/absent")) == (True, False)


def test_the_file_system_copies_and_deletes(files: LakeFSFileSystem, repo: Repo) -> None:
    root = f"lakefs://{repo.name}/main"
    files.pipe(f"{root}/a", b"1")
    files.cp_file(f"{root}/a", f"{root}/b")
    files.rm_file(f"{root}/a")
    assert repo.contents() == {"b": b"1"}
    with pytest.raises(FileNotFoundError):
        files.cat_file(f"{root}/a")


def test_the_file_system_has_transactions(files: LakeFSFileSystem, repo: Repo) -> None:
    with files.transaction(repo.name, "main") as transaction:
        files.pipe(f"lakefs://{repo.name}/{transaction.branch.id}/a", b"1")
        transaction.commit("by the file system")
    assert (repo.contents(), "by the file system" in repo.log()) == ({"a": b"1"}, True)


def test_pandas_reads_and_writes_parquet(server: LakeConnection, files: LakeFSFileSystem, repo: Repo) -> None:
    options = {
        "host": server.endpoint,
        "username": server.access_key_id,
        "password": server.secret_access_key,
    }
    frame = pd.DataFrame({"n": range(1000), "s": [f"row {number}" for number in range(1000)]})
    frame.to_parquet(f"lakefs://{repo.name}/main/table.parquet", storage_options=options)
    commit = repo.commit().id
    found = pd.read_parquet(
        f"lakefs://{repo.name}/{commit}/table.parquet", columns=["n"], storage_options=options
    )
    pd.testing.assert_frame_equal(found, frame[["n"]])
