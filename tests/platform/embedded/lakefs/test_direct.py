"""Addresses and symlink files of the embedded server: what it never reads, and never leaves behind."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from include.platform.embedded.lakefs.__main__ import collect_garbage
from include.platform.embedded.lakefs.addresses import UNLINKED, Addresses, opened
from include.platform.embedded.lakefs.errors import BadRequest
from include.platform.embedded.lakefs.symlinks import Symlinks
from include.platform.embedded.lakefs.tree import Entry
from tests.support.contract import Wire
from tests.support.lake import LakeServer
from tests.support.repo import Repo

BACKING = "/branches/main/staging/backing"
CONTENT = b"0123456789"
DAY = 24 * 3600


@pytest.fixture
def wire(lake_server: LakeServer, repo: Repo) -> Wire:
    return Wire(lake_server.connection).under("repositories", repo.name)


def offered(wire: Wire, path: str = "a") -> tuple[dict[str, Any], Path]:
    """Return what links the content of an address, and the address's file, which does not exist yet."""
    address = wire.get(BACKING, path=path).body["physical_address"]
    body = {
        "staging": {"physical_address": address},
        "checksum": md5(CONTENT).hexdigest(),
        "size_bytes": len(CONTENT),
    }
    return body, Path(address.removeprefix("local://"))


def test_nothing_is_left_of_what_was_linked_and_a_late_writer_changes_nothing(wire: Wire) -> None:
    body, file = offered(wire)
    with file.open("wb", buffering=0) as writer:
        writer.write(CONTENT)
        assert wire.put(BACKING, body, path="a").status == 200
        writer.write(b"late")
    assert not file.exists()
    assert wire.get("/refs/main/objects", path="a").body == CONTENT


@pytest.mark.parametrize("size", [0, 9, 11])
def test_another_size_than_the_contents_is_refused(wire: Wire, repo: Repo, size: int) -> None:
    body, file = offered(wire)
    file.write_bytes(CONTENT)
    answer = wire.put(BACKING, {**body, "size_bytes": size}, path="a")
    assert (answer.refused, f"size_bytes is {size}" in answer.body["message"]) == (400, True)
    assert repo.list() == []


def test_a_link_of_nothing_is_refused(wire: Wire, repo: Repo) -> None:
    body, _ = offered(wire)
    answer = wire.put(BACKING, body, path="a")
    assert (answer.refused, "there is no content at" in answer.body["message"]) == (400, True)
    repo.put("a", b"something else")
    assert wire.put(BACKING, body, path="a").refused == 400


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_not_read(wire: Wire, repo: Repo, tmp_path: Path, kind: str) -> None:
    body, file = offered(wire)
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    if kind == "link":
        file.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.mkdir()
    assert wire.put(BACKING, body, path="a").refused == 400
    assert repo.list() == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "local://",
        "local:///etc/passwd",
        "s3://bucket/key",
        "{}/../lake.sqlite",
        "{}/./{}",
        "{},",
        "\x00",
        "{}\x00",
    ],
)
def test_no_other_file_of_the_machine_can_be_linked(wire: Wire, repo: Repo, address: str) -> None:
    body, file = offered(wire)
    named = address.replace("{}/", f"local://{file.parent}/").replace("{}", file.name)
    answer = wire.put(BACKING, {**body, "staging": {"physical_address": named}}, path="a")
    assert (answer.refused, "link address invalid" in answer.body["message"]) == (400, True)
    assert repo.list() == []


def test_an_address_counts_for_the_path_that_it_was_given_for(wire: Wire, repo: Repo) -> None:
    """lakeFS 1.84 does not look at the signature on a local store: it takes any address for any path."""
    repo.branch("other")
    body, file = offered(wire)
    file.write_bytes(CONTENT)
    torn = {**body, "staging": {"physical_address": body["staging"]["physical_address"][:-3] + "AAA"}}
    assert wire.put(BACKING, body, path="b").refused == 400
    assert wire.put("/branches/other/staging/backing", body, path="a").refused == 400
    assert wire.put(BACKING, torn, path="a").refused == 400
    assert (repo.list(), repo.list("other")) == ([], [])
    assert wire.put(BACKING, body, path="a").status == 200


@pytest.mark.parametrize("checksum", [" ", '"', "\r\nX: y", "ü", "x" * 257])
def test_a_checksum_that_no_header_can_hold_is_refused(wire: Wire, checksum: str) -> None:
    body, file = offered(wire)
    file.write_bytes(CONTENT)
    assert wire.put(BACKING, {**body, "checksum": checksum}, path="a").refused == 400


@pytest.mark.parametrize("field", [{"content_type": "a/b\r\nX: y"}, {"mtime": 2**60}, {"mtime": -1}])
def test_what_no_response_could_hold_is_refused(wire: Wire, field: dict[str, Any]) -> None:
    body, file = offered(wire)
    file.write_bytes(CONTENT)
    assert wire.put(BACKING, {**body, **field}, path="a").refused == 400


def test_a_reader_gets_no_address_and_may_not_upload(wire: Wire, lake_server: LakeServer, repo: Repo) -> None:
    reader = Wire(lake_server.reader).under("repositories", repo.name)
    assert reader.get(BACKING, path="a").refused == 403
    assert reader.get("/branches/main/objects/stage_allowed", path="a").refused == 403
    body, _ = offered(wire)
    assert reader.put(BACKING, body, path="a").refused == 403


def test_presigned_addresses_are_not_supported(wire: Wire) -> None:
    assert wire.get(BACKING, path="a", presign=True).refused == 400


def test_an_address_counts_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = Addresses(tmp_path / UNLINKED, b"key")
    address = offers.offer("flights", "main", "a")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + DAY - 10)
    assert offers.file(address, "flights", "main", "a").parent == tmp_path / UNLINKED
    monkeypatch.setattr(time, "time", lambda: now + DAY + 10)
    with pytest.raises(BadRequest, match="link address expired"):
        offers.file(address, "flights", "main", "a")


def test_an_address_counts_after_a_restart_and_not_for_other_keys(tmp_path: Path) -> None:
    address = Addresses(tmp_path / UNLINKED, b"key").offer("flights", "main", "a")
    assert Addresses(tmp_path / UNLINKED, b"key").file(address, "flights", "main", "a")
    with pytest.raises(BadRequest, match="link address invalid"):
        Addresses(tmp_path / UNLINKED, b"other").file(address, "flights", "main", "a")


@pytest.mark.parametrize("name", ["absent", "x" * 300])
def test_a_content_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="cannot be read"), opened(tmp_path / name):
        pass


@pytest.mark.parametrize(("dry_run", "left"), [(True, ["new", "old"]), (False, ["new"])])
def test_contents_that_nobody_linked_are_garbage(tmp_path: Path, dry_run: bool, left: list[str]) -> None:
    (tmp_path / "lake.sqlite").touch()
    folder = tmp_path / UNLINKED
    folder.mkdir()
    for name, age in (("old", 2 * DAY), ("new", DAY / 2)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    said = collect_garbage(tmp_path, 0, dry_run=dry_run)
    assert said.endswith("and 1 files that were written and never linked")
    assert sorted(file.name for file in folder.iterdir()) == left


def test_a_folder_that_a_client_left_is_garbage_too(tmp_path: Path) -> None:
    (tmp_path / "lake.sqlite").touch()
    folder = tmp_path / UNLINKED / "frame"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(CONTENT)
    os.utime(folder, (time.time() - 2 * DAY,) * 2)
    assert collect_garbage(tmp_path, 0, dry_run=False).endswith(
        "and 1 files that were written and never linked"
    )
    assert list((tmp_path / UNLINKED).iterdir()) == []


def entries(*paths: str) -> list[Entry]:
    return [Entry(path, "", 1, path.upper(), 0) for path in sorted(paths)]


def found(folder: Path) -> dict[str, list[str]]:
    return {
        str(file.parent.relative_to(folder)): file.read_text().split("\n")
        for file in folder.rglob("symlink.txt")
    }


def test_each_folder_lists_its_own_objects(tmp_path: Path) -> None:
    """lakeFS 1.84 gives each folder but the last the addresses of the one before it."""
    made = entries("top", "t/dt=1/a", "t/dt=1/b", "t/dt=2/a", "t/a", "t/z")
    Symlinks(tmp_path).write("flights", "main", "", made, str)
    assert found(tmp_path / "flights/main") == {
        ".": ["TOP"],
        "t": ["T/A", "T/Z"],
        "t/dt=1": ["T/DT=1/A", "T/DT=1/B"],
        "t/dt=2": ["T/DT=2/A"],
    }


def test_a_folder_without_objects_loses_its_file_and_other_tables_keep_theirs(tmp_path: Path) -> None:
    links = Symlinks(tmp_path)
    links.write("flights", "main", "", entries("t/dt=1/a", "t/dt=2/a", "u/a"), str)
    links.write("flights", "main", "t/", entries("t/dt=2/b"), str)
    assert found(tmp_path / "flights/main") == {"t/dt=2": ["T/DT=2/B"], "u": ["U/A"]}
    links.write("flights", "main", "t/", [], str)
    assert found(tmp_path / "flights/main") == {"u": ["U/A"]}
    links.forget("flights")
    links.forget("never-there")
    assert not (tmp_path / "flights").exists()


@pytest.mark.parametrize(
    "path", ["../a", "t/../../a", "t//a", "/a", "./a", "t/symlink.txt/a", "nul\0/a", "x" * 256 + "/a"]
)
def test_a_path_of_which_the_disk_can_have_no_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadRequest, match="no symlink file can be written for"):
        Symlinks(tmp_path / "s").write("flights", "main", "", entries("a/a", path), str)
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_repository_leaves_no_symlink_files(
    wire: Wire, repo: Repo, lake_server: LakeServer
) -> None:
    repo.put("t/a")
    location = wire.post("/refs/main/symlink").body["location"]
    below = Path(location.removeprefix("local://")) / repo.name
    assert below.is_dir()
    repo.client.repositories_api.delete_repository(repo.name)
    assert not below.exists()


def test_symlink_files_that_are_asked_for_twice_at_once_are_whole(tmp_path: Path) -> None:
    symlinks, rows = Symlinks(tmp_path), entries(*(f"t/{number}" for number in range(500)))

    def write(_: int) -> None:
        symlinks.write("flights", "main", "", rows, str)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(60)))
    assert [file.name for file in (tmp_path / "flights/main/t").iterdir()] == ["symlink.txt"]
    assert found(tmp_path) == {"flights/main/t": [entry.address for entry in rows]}
