"""The client of the lake: what it returns, and that it raises only classes of include.exceptions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from include.exceptions import (
    Absent,
    Conflict,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.lake.client import Change, Lake, LakeConnection, LakeObject
from include.platform.embedded.lakefs.routes.server import VERSION
from tests.support.lake import LakeServer, free_port
from tests.support.strangers import server_that_answers

NOBODY = LakeConnection(endpoint="http://127.0.0.1:1", access_key_id="k", secret_access_key="hidden")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    return file


CALLS: dict[str, Callable[[Lake, Path], object]] = {
    "ping": lambda lake, _: lake.ping(),
    "create_first_user": lambda lake, _: lake.create_first_user("admin"),
    "ensure_repository": lambda lake, _: lake.ensure_repository("local://x"),
    "ensure_repository_below": lambda lake, _: lake.ensure_repository_below("local://x"),
    "storage_namespace": lambda lake, _: lake.storage_namespace(),
    "resolve": lambda lake, _: lake.resolve("main"),
    "get_commit": lambda lake, _: lake.get_commit("main"),
    "ref_exists": lambda lake, _: lake.ref_exists("main"),
    "create_branch": lambda lake, _: lake.create_branch("b", "main"),
    "delete_branch": lambda lake, _: lake.delete_branch("b"),
    "reset_branch": lambda lake, _: lake.reset_branch("b"),
    "list_branches": lambda lake, _: list(lake.list_branches()),
    "create_tag": lambda lake, _: lake.create_tag("t", "main"),
    "get_tag": lambda lake, _: lake.get_tag("t"),
    "delete_tag": lambda lake, _: lake.delete_tag("t"),
    "commit": lambda lake, _: lake.commit("main", "m", {}),
    "merge": lambda lake, _: lake.merge("b", "main", "m", {}),
    "merge_base": lambda lake, _: lake.merge_base("b", "main"),
    "revert": lambda lake, _: lake.revert("main", "main", "m", {}),
    "cherry_pick": lambda lake, _: lake.cherry_pick("main", "b", "m", {}),
    "log": lambda lake, _: list(lake.log("main")),
    "diff": lambda lake, _: list(lake.diff("main", "b")),
    "uncommitted": lambda lake, _: list(lake.uncommitted("main")),
    "start_import": lambda lake, _: lake.start_import("main", {"s3://b/": "b/"}, "m", {}),
    "import_status": lambda lake, _: lake.import_status("main", "1"),
    "cancel_import": lambda lake, _: lake.cancel_import("main", "1"),
    "list_objects": lambda lake, _: list(lake.list_objects("main")),
    "list_common_prefixes": lambda lake, _: list(lake.list_common_prefixes("main", "")),
    "upload": lambda lake, file: lake.upload("main", "a", file),
    "upload a stream": lambda lake, _: lake.upload("main", "a", BytesIO(b"abc")),
    "stat": lambda lake, _: lake.stat("main", "a"),
    "read": lambda lake, _: lake.read("main", "a", 0, 1),
    "open": lambda lake, _: lake.open(LakeObject("a", 3, "c"), "main").read(),
    "download": lambda lake, _: lake.download("main", "a"),
    "download_to": lambda lake, file: lake.download_to("main", "a", file),
    "copy": lambda lake, _: lake.copy("main", "b", "a"),
    "delete_object": lambda lake, _: lake.delete_object("main", "a"),
    "delete_objects": lambda lake, _: lake.delete_objects("main", ["a"]),
}
EVERY_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_every_public_call_is_in_the_table() -> None:
    others = {"upload a stream", "repositories"}
    assert set(CALLS) - others == {name for name in dir(Lake) if not name.startswith("_")}


# Failures


@pytest.mark.parametrize("call", [CALLS[name] for name in ("ping", "log", "upload", "download", "merge")])
def test_a_lake_that_is_down_is_unavailable_and_named(
    call: Callable[[Lake, Path], object], file: Path
) -> None:
    with pytest.raises(Unavailable, match=NOBODY.endpoint):
        call(Lake(NOBODY, "flights"), file)


@EVERY_CALL
def test_a_wrong_key_is_unauthorized_and_keeps_the_secret(
    lake: Lake, call: Callable[[Lake, Path], object], file: Path
) -> None:
    wrong = replace(lake.connection, secret_access_key="wrong-secret")
    with pytest.raises(Unauthorized, match=lake.connection.access_key_id) as caught:
        call(Lake(wrong, lake.repository), file)
    assert "wrong-secret" not in str(caught.value) + repr(wrong)


STRANGERS = {
    "page": (200, b"<html>Welcome</html>", "text/html", Misconfigured),
    "list": (200, b"[]", "application/json", Misconfigured),
    "object": (200, b"{}", "application/json", Misconfigured),
    "forbidden": (403, b"no", "text/plain", Unauthorized),
    "absent": (404, b"<html>", "text/html", Absent),
    "conflict": (409, b'{"message": "taken"}', "application/json", Conflict),
    "teapot": (418, b'["odd"]', "application/json", Misconfigured),
    "busy": (429, b"", "text/plain", Transient),
    "broken": (500, b"", "text/plain", Transient),
    "unsupported": (501, b'{"message": "no"}', "application/json", Misconfigured),
    "starting": (503, b"\xff\xfe", "text/plain", Transient),
}


@EVERY_CALL
@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_whatever_a_server_answers_only_our_exceptions_leave(
    stranger: tuple[int, bytes, str, type[MillraceError]], call: Callable[[Lake, Path], object], file: Path
) -> None:
    status, body, kind, expected = stranger
    with server_that_answers(status, body, kind) as endpoint, suppress(expected):
        call(Lake(replace(NOBODY, endpoint=endpoint), "flights"), file)


@pytest.mark.parametrize(
    "endpoint", ["localhost:9", "http://", "ftp://localhost", "http://[::1", "http://a b"]
)
def test_an_invalid_address_is_named(endpoint: str) -> None:
    with pytest.raises((Unavailable, Misconfigured), match="lake at"):
        Lake(replace(NOBODY, endpoint=endpoint), "flights").ping()


def test_a_name_that_lakefs_refuses_is_misconfigured(lake: Lake) -> None:
    with pytest.raises(Misconfigured, match="'Bad Name'"):
        Lake(lake.connection, "Bad Name").ensure_repository("local://x")
    with pytest.raises(Misconfigured, match="'a/b'"):
        lake.create_branch("a/b", "main")
    with pytest.raises(Misconfigured, match=r"'a\.\.b'"):
        lake.create_tag("a..b", "main")


@pytest.mark.parametrize(
    "name", ["resolve", "get_commit", "log", "list_objects", "download", "commit", "upload"]
)
def test_a_missing_repository_is_absent(lake: Lake, name: str, file: Path) -> None:
    with pytest.raises(Absent, match="'nowhere'"):
        CALLS[name](Lake(lake.connection, "nowhere"), file)


def test_what_is_not_there_is_absent_and_named(lake: Lake) -> None:
    with pytest.raises(Absent, match="ref 'nowhere'"):
        lake.resolve("nowhere")
    with pytest.raises(Absent, match="object 'a' of 'main'"):
        lake.download("main", "a")
    with pytest.raises(Absent, match="branch 'b' from 'nowhere'"):
        lake.create_branch("b", "nowhere")


def test_a_file_that_is_missing_here_is_not_the_lakes_fault(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lake.upload("main", "a", tmp_path / "nowhere")


# What it returns


def test_opening_costs_nothing() -> None:
    lake = Lake(NOBODY, "flights")
    assert repr(lake) == "Lake('http://127.0.0.1:1', 'flights')"
    assert repr(NOBODY) == "LakeConnection(endpoint='http://127.0.0.1:1', access_key_id='k')"


def test_ping_returns_the_version(lake: Lake) -> None:
    assert lake.ping() == VERSION


def test_a_repository_is_ensured_again_and_again(lake: Lake) -> None:
    before = lake.resolve("main")
    lake.ensure_repository("local://other")
    assert lake.resolve("main") == before


def test_an_object_goes_up_and_comes_down(lake: Lake, file: Path) -> None:
    expected = LakeObject("t/ä b", 3, "900150983cd24fb0d6963f7d28e17f72")
    assert lake.upload("main", "t/ä b", file) == expected
    assert (lake.download("main", "t/ä b"), list(lake.list_objects("main"))) == (b"abc", [expected])


def test_an_empty_object_goes_up_and_comes_down(lake: Lake, file: Path) -> None:
    file.write_bytes(b"")
    assert lake.upload("main", "a", file).size == 0
    assert lake.download("main", "a") == b""


def test_a_commit_says_who_and_what(lake: Lake, file: Path) -> None:
    root = lake.resolve("main")
    lake.upload("main", "a", file)
    commit_id = lake.commit("main", "load", {"rows": "7"})
    commit = lake.get_commit("main")
    assert (commit.id, commit.message, commit.metadata, commit.parents) == (
        commit_id,
        "load",
        {"rows": "7"},
        (root,),
    )
    assert abs((datetime.now(UTC) - commit.created).total_seconds()) < 60
    assert [entry.id for entry in lake.log("main")] == [commit_id, root]


def test_committing_nothing_is_none_unless_an_empty_commit_is_allowed(lake: Lake) -> None:
    assert lake.commit("main", "m", {}) is None
    assert lake.commit("main", "m", {}, allow_empty=True) == lake.resolve("main")


def test_calls_that_are_repeated_change_nothing(lake: Lake, file: Path) -> None:
    root = lake.resolve("main")
    assert [lake.create_branch("b", "main") for _ in range(2)] == [root, root]
    assert [lake.create_tag("t", "main") for _ in range(2)] == [root, root]
    lake.upload("b", "a", file)
    saved = lake.commit("b", "m", {})
    assert (lake.create_branch("b", "main"), lake.create_tag("t", "b")) == (saved, root)
    for _ in range(2):
        lake.delete_object("b", "a")
        lake.delete_branch("gone")
    assert list(lake.list_objects("b")) == []


def test_a_merge_shows_its_changes_and_is_made_once(lake: Lake, file: Path) -> None:
    lake.create_branch("b", "main")
    lake.upload("b", "a", file)
    lake.commit("b", "m", {})
    assert list(lake.diff("main", "b")) == [Change("a", "added")]
    merged = lake.merge("b", "main", "publish", {"k": "v"})
    assert (lake.get_commit("main").id, lake.get_commit("main").metadata["k"]) == (merged, "v")
    assert (list(lake.diff("main", "b")), lake.merge("b", "main", "again", {})) == ([], None)


def test_a_strategy_settles_a_conflict(lake: Lake, file: Path) -> None:
    lake.create_branch("b", "main")
    for branch in ("main", "b"):
        file.write_text(branch)
        lake.upload(branch, "t/a", file)
        lake.commit(branch, "m", {})
    lake.merge("b", "main", "m", {}, strategy="source-wins", squash=True)
    assert (lake.download("main", "t/a"), len(lake.get_commit("main").parents)) == (b"b", 1)


def test_a_commit_is_reverted_and_taken_over_with_its_reasons(lake: Lake, file: Path) -> None:
    lake.create_branch("b", "main")
    lake.upload("b", "a", file)
    commit_id = lake.commit("b", "m", {})
    picked = lake.cherry_pick("main", "b", "pick", {"k": "1"})
    assert (lake.resolve("main"), lake.download("main", "a")) == (picked, b"abc")
    reverted = lake.revert("b", str(commit_id), "undo", {"k": "2"})
    assert (lake.resolve("b"), list(lake.list_objects("b"))) == (reverted, [])
    commits = [(lake.get_commit(ref).message, lake.get_commit(ref).metadata["k"]) for ref in ("main", "b")]
    assert commits == [("pick", "1"), ("undo", "2")]


def test_what_is_not_committed_is_shown_and_thrown_away(lake: Lake, file: Path) -> None:
    for path in ("a", "t/b", "t/c"):
        lake.upload("main", path, file)
    assert list(lake.uncommitted("main", prefix="t/")) == [Change("t/b", "added"), Change("t/c", "added")]
    lake.reset_branch("main", path="t/b")
    assert [item.path for item in lake.list_objects("main")] == ["a", "t/c"]
    lake.reset_branch("main", prefix="t/")
    assert [item.path for item in lake.list_objects("main")] == ["a"]
    lake.reset_branch("main")
    assert list(lake.uncommitted("main")) == []


def test_a_branch_and_a_tag_cannot_share_a_name(lake: Lake) -> None:
    lake.create_branch("b", "main")
    lake.create_tag("t", "main")
    with pytest.raises(Conflict, match="tag 'b'"):
        lake.create_tag("b", "main")
    with pytest.raises(Conflict, match="branch 't'"):
        lake.create_branch("t", "main")
    lake.delete_tag("t")
    with pytest.raises(Absent):
        lake.get_tag("t")


def test_a_two_dot_diff_shows_both_sides(lake: Lake, file: Path) -> None:
    lake.create_branch("b", "main")
    for branch in ("main", "b"):
        lake.upload(branch, branch, file)
        lake.commit(branch, "m", {})
    assert list(lake.diff("main", "b")) == [Change("b", "added")]
    both = [Change("b", "added"), Change("main", "removed")]
    assert list(lake.diff("main", "b", three_dot=False)) == both


def test_an_import_needs_a_lakefs_server(lake: Lake) -> None:
    with pytest.raises(Misconfigured, match="this lake does not support the operation: import into 'main'"):
        lake.start_import("main", {"s3://bucket/": "t/"}, "m", {})


def test_a_merge_of_two_changes_of_one_object_is_a_conflict(lake: Lake, file: Path) -> None:
    lake.create_branch("b", "main")
    for branch in ("main", "b"):
        file.write_text(branch)
        lake.upload(branch, "t/a", file)
        lake.commit(branch, "m", {})
    with pytest.raises(Conflict, match=r"'b' into 'main'.*t/a"):
        lake.merge("b", "main", "m", {})


def test_branches_and_common_prefixes_are_listed_in_order(lake: Lake, file: Path) -> None:
    for name in ("ingest-b", "ingest-a", "other"):
        lake.create_branch(name, "main")
    for path in ("t/dt=2/x", "t/dt=1/x", "t/dt=1/y", "t/file", "u/z"):
        lake.upload("main", path, file)
    assert list(lake.list_branches("ingest-")) == ["ingest-a", "ingest-b"]
    assert list(lake.list_common_prefixes("main", "t/")) == ["t/dt=1/", "t/dt=2/"]
    assert [item.path for item in lake.list_objects("main", "t/", "t/dt=1/x")] == [
        "t/dt=1/y",
        "t/dt=2/x",
        "t/file",
    ]


def test_lists_go_on_behind_the_first_page(lake: Lake, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.lake.transport._MAX_PAGE_ENTRIES", 2)
    for path in "abcde":
        lake.upload("main", f"{path}/x", file)
        lake.commit("main", path, {})
    assert [item.path for item in lake.list_objects("main")] == [f"{path}/x" for path in "abcde"]
    assert list(lake.list_common_prefixes("main", "")) == [f"{path}/" for path in "abcde"]
    assert [commit.message for commit in lake.log("main")] == [*"edcba", "Repository created"]


def test_a_download_that_breaks_off_is_unavailable(lake: Lake, lake_server: LakeServer, file: Path) -> None:
    file.write_bytes(lake.repository.encode() * 200_000)
    lake.upload("main", "a", file)
    newest = max((lake_server.folder / "objects").rglob("??/*"), key=lambda path: path.stat().st_mtime)
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    with pytest.raises(Unavailable, match="object 'a' of 'main'"):
        lake.download("main", "a")


def test_a_server_that_comes_back_is_used_again(tmp_path: Path, file: Path) -> None:
    server = LakeServer(tmp_path / "lake", free_port())
    try:
        server.start()
        lake = server.lake("flights")
        lake.upload("main", "a", file)
        server.kill()
        with pytest.raises(Unavailable):
            lake.resolve("main")
        server.start()
        assert lake.download("main", "a") == b"abc"
    finally:
        server.kill()
