"""Objects: upload, download, Range, stat, copy, delete, and names that trip a file system."""

from __future__ import annotations

import hashlib

import pytest
from lakefs_client.model.object_copy_creation import ObjectCopyCreation
from lakefs_client.model.path_list import PathList

from tests.support.lake import LakeServer
from tests.support.repo import Repo, ask, refused

LETTERS = b"abcdefghij"


def test_an_upload_is_described_and_read_back(repo: Repo) -> None:
    made = repo.put("t/part.parquet", LETTERS)
    assert (made.path, made.path_type, made.size_bytes) == ("t/part.parquet", "object", 10)
    assert made.checksum == hashlib.md5(LETTERS).hexdigest()
    assert repo.client.objects_api.stat_object(repo.name, "main", "t/part.parquet") == made
    assert repo.get("t/part.parquet") == LETTERS


def test_an_upload_replaces_what_was_there(repo: Repo) -> None:
    repo.save(a=b"old")
    repo.put("a", b"newer")
    assert (repo.get("a"), repo.get("a", "main@")) == (b"newer", b"old")


def test_an_upload_for_new_names_only_leaves_what_is_there(repo: Repo) -> None:
    repo.put("a", b"first", if_none_match="*")
    with refused(412, "already exists"):
        repo.put("a", b"second", if_none_match="*")
    assert repo.get("a") == b"first"


def test_an_upload_as_plain_body_keeps_type_and_metadata(repo: Repo, lake_server: LakeServer) -> None:
    where = f"repositories/{repo.name}/branches/main/objects?path=a"
    headers = {"Content-Type": "text/csv", "x-lakefs-meta-owner": "me"}
    status, made = ask(lake_server.connection, "POST", where, {"b": 1}, **headers)
    assert (status, made["content_type"], made["metadata"]) == (201, "text/csv", {"owner": "me"})
    assert repo.get("a") == b'{"b":1}'


def test_an_upload_needs_a_branch_and_a_content(repo: Repo, lake_server: LakeServer) -> None:
    with refused(404, "branch 'nowhere' not found"):
        repo.put("a", branch="nowhere")
    where = f"repositories/{repo.name}/branches/main/objects?path=a"
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert ask(lake_server.connection, "POST", where, **form)[0] == 400
    assert repo.list() == []


def test_an_empty_object_is_an_object(repo: Repo) -> None:
    repo.save(empty=b"")
    assert (repo.contents(), repo.page().results[0].size_bytes) == ({"empty": b""}, 0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", b"a"),
        ("bytes=2-4", b"cde"),
        ("bytes=7-", b"hij"),
        ("bytes=-3", b"hij"),
        ("bytes=-99", LETTERS),
        ("bytes=0-99", LETTERS),
    ],
)
def test_a_range_of_bytes(repo: Repo, asked: str, expected: bytes) -> None:
    repo.put("a", LETTERS)
    assert repo.get("a", range=asked) == expected


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=4-2", "bytes=0-1,3-4"])
def test_a_range_outside_of_the_object_is_refused(repo: Repo, asked: str) -> None:
    repo.put("a", LETTERS)
    with refused(416, "Not Satisfiable"):
        repo.get("a", range=asked)


def test_the_head_of_an_object_or_of_a_range(repo: Repo) -> None:
    repo.put("a", LETTERS)
    head = repo.client.objects_api.head_object
    _, whole, headers = head(repo.name, "main", "a", _return_http_data_only=False)
    assert (whole, headers["content-length"], headers["accept-ranges"]) == (200, "10", "bytes")
    _, part, headers = head(repo.name, "main", "a", range="bytes=2-4", _return_http_data_only=False)
    assert (part, headers["content-length"], headers["content-range"]) == (206, "3", "bytes 2-4/10")


def test_a_reader_that_has_it_gets_no_body(repo: Repo, lake_server: LakeServer) -> None:
    etag = f'"{repo.put("a", LETTERS).checksum}"'
    with refused(304, ""):
        repo.get("a", if_none_match=etag)
    assert repo.get("a", if_none_match='"other"') == LETTERS


def test_what_is_deleted_is_gone_from_the_branch_and_kept_in_the_past(repo: Repo) -> None:
    before = repo.save(a=b"1", b=b"2")
    repo.delete("a")
    with refused(404, "object 'a' not found"):
        repo.get("a")
    repo.delete("a")
    assert (repo.list(), repo.list(before), repo.uncommitted()) == (["b"], ["a", "b"], {"a": "removed"})


def test_a_list_of_objects_is_deleted_at_once_missing_ones_included(repo: Repo) -> None:
    repo.save(a=b"1", b=b"2", c=b"3")
    answer = repo.client.objects_api.delete_objects(repo.name, "main", PathList(paths=["a", "nowhere", "c"]))
    assert (answer.errors, repo.list()) == ([], ["b"])


def test_a_copy_has_the_content_of_its_source(repo: Repo) -> None:
    repo.save(a=b"old")
    repo.put("a", b"new")
    copy = repo.client.objects_api.copy_object
    copy(repo.name, "main", "here", ObjectCopyCreation(src_path="a"))
    copy(repo.name, "main", "past", ObjectCopyCreation(src_path="a", src_ref="main@"))
    assert repo.contents() == {"a": b"new", "here": b"new", "past": b"old"}
    with refused(404, "'nowhere' not found"):
        copy(repo.name, "main", "x", ObjectCopyCreation(src_path="nowhere"))


AWKWARD = [
    "a",
    "a/b",
    "a/",
    "a//b",
    "/a",
    "//",
    ".",
    "..",
    "../up",
    "a/../b",
    ".git/config",
    "tmp/x",
    "with space/and+plus",
    "50%/x%2Fy",
    "query?x=1&y=2#z",
    "ünï/日本/🛫",
    "e\u0301",
    "\u00e9",
    "line\nbreak",
    "nul\x00byte",
    "quote'\"\\",
    "long/" + "x" * 1000,
]


def test_every_name_is_a_name_of_its_own(repo: Repo) -> None:
    expected = {path: path.encode() for path in AWKWARD}
    for path, content in expected.items():
        repo.put(path, content)
    assert repo.contents() == expected
    repo.commit()
    assert repo.contents("main@") == expected
    assert repo.list() == sorted(AWKWARD)


def test_an_object_without_a_name_is_refused(repo: Repo) -> None:
    with refused(400, "path is required"):
        repo.put("")


def test_a_large_object_arrives_whole(repo: Repo) -> None:
    content = bytes(range(256)) * 20_000
    repo.put("large", content)
    assert (repo.get("large") == content, repo.get("large", range="bytes=5000000-5000003")) == (
        True,
        content[5_000_000:5_000_004],
    )
