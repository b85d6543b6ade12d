"""Contents that a client on the server's machine reads and writes itself: addresses, links, symlink files."""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from tests.support.contract import Answer, Wire

CONTENT = b"0123456789"
BACKING = "/branches/main/staging/backing"
READ = "/refs/main/objects"
SCHEME = "local://"


def on_disk(address: str) -> Path:
    """Return the file of an address; skip the test if the server is on another machine."""
    assert address.startswith(f"{SCHEME}/"), address
    file = Path(address.removeprefix(SCHEME))
    if not any(parent.exists() for parent in list(file.parents)[:-2]):
        pytest.skip(f"the store of the server is not on this machine: there is no {file.parent}")
    return file


def offered(wire: Wire, path: str = "t/a") -> str:
    answer = wire.get(BACKING, path=path)
    assert answer.status == 200, answer
    return str(answer.body["physical_address"])


def written(wire: Wire, path: str = "t/a", content: bytes = CONTENT) -> dict[str, Any]:
    """Ask for an address, write the content there, and return what links it."""
    address = offered(wire, path)
    file = on_disk(address)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return {
        "staging": {"physical_address": address},
        "checksum": md5(content).hexdigest(),
        "size_bytes": len(content),
        "content_type": "text/csv",
        "user_metadata": {"k": "v"},
        "mtime": 1_700_000_000,
    }


def link(wire: Wire, body: dict[str, Any], path: str = "t/a", **headers: str) -> Answer:
    return wire.put(BACKING, body, path=path, headers=headers)


@pytest.mark.endpoint("get_physical_address", "link_physical_address")
def test_a_content_that_the_client_wrote_becomes_an_object(wire: Wire) -> None:
    answer = link(wire, written(wire))
    assert answer.status == 200, answer
    assert answer.body.pop("physical_address").startswith(f"{SCHEME}/")
    assert answer.body == {
        "path": "t/a",
        "path_type": "object",
        "checksum": md5(CONTENT).hexdigest(),
        "size_bytes": len(CONTENT),
        "mtime": 1_700_000_000,
        "content_type": "text/csv",
        "metadata": {"k": "v"},
    }
    assert wire.get(READ + "/stat", path="t/a").body.items() >= answer.body.items()
    assert wire.get(READ, path="t/a").body == CONTENT
    assert wire.post("/branches/main/commits", {"message": "linked"}).status == 201
    assert wire.get("/refs/main@/objects", path="t/a").body == CONTENT


@pytest.mark.endpoint("get_physical_address", "link_physical_address")
def test_a_link_that_is_sent_again_gives_the_same_object(wire: Wire) -> None:
    body = written(wire)
    first, second = link(wire, body), link(wire, body)
    assert (first.status, second.status) == (200, 200)
    assert second.body["checksum"] == first.body["checksum"]
    assert wire.get(READ, path="t/a").body == CONTENT


@pytest.mark.endpoint("link_physical_address")
def test_a_checksum_in_quotes_is_an_etag_of_the_store(wire: Wire) -> None:
    body = {**written(wire), "checksum": ' "0123-4" '}
    assert link(wire, body).body["checksum"] == "0123-4"
    assert wire.get(READ, path="t/a").headers["ETag"] == '"0123-4"'


@pytest.mark.endpoint("link_physical_address")
def test_what_is_left_out_has_its_default(wire: Wire) -> None:
    body = written(wire)
    for name in ("content_type", "user_metadata", "mtime"):
        del body[name]
    answer = link(wire, body)
    assert answer.status == 200, answer
    assert answer.body["mtime"] == pytest.approx(time.time(), abs=60)
    assert wire.get(READ + "/stat", path="t/a").body["metadata"] == {}


@pytest.mark.endpoint("get_physical_address", "link_physical_address")
def test_a_link_needs_a_checksum_a_size_and_a_repository(wire: Wire, lakefs: Wire) -> None:
    body = written(wire)
    assert link(wire, {**body, "checksum": ""}).refused == 400
    assert link(wire, {name: body[name] for name in ("staging", "checksum")}).refused == 400
    absent = lakefs.under("repositories", "absent-one")
    assert absent.get(BACKING, path="a").refused == 404
    assert absent.put(BACKING, body, path="a").refused == 404


@pytest.mark.endpoint("link_physical_address")
def test_a_link_can_insist_on_being_the_first(wire: Wire) -> None:
    assert link(wire, written(wire), **{"If-None-Match": "*"}).status == 200
    second = written(wire, content=b"second")
    assert link(wire, second, **{"If-None-Match": "*"}).refused == 412
    assert wire.get(READ, path="t/a").body == CONTENT
    assert link(wire, second).status == 200
    assert wire.get(READ, path="t/a").body == b"second"


@pytest.mark.endpoint("stat_object", "list_objects")
def test_the_address_of_an_object_is_its_file(wire: Wire) -> None:
    wire.post("/branches/main/objects", content=CONTENT, path="t/a")
    for row in (wire.get(READ + "/stat", path="t/a").body, *wire.get(READ + "/ls").body["results"]):
        assert on_disk(row["physical_address"]).read_bytes() == CONTENT


def symlinks(wire: Wire, ref: str = "main", **query: str) -> Path:
    """Write symlink files; return the folder of those of the ref."""
    answer = wire.post(f"/refs/{ref}/symlink", **query)
    assert answer.status == 201, answer
    location = answer.body["location"]
    assert location.startswith(SCHEME)
    assert location.endswith("symlinks")
    repository = wire.below.rpartition("/")[2]
    folder = Path(location.removeprefix(SCHEME))
    if not folder.is_absolute():  # below the store's folder, which the address of an object names
        address = str(on_disk(wire.get(READ + "/ls").body["results"][0]["physical_address"]))
        folder = Path(address[: address.index(f"/{folder.parent}/")]) / folder
    return folder / repository / ref


def contents(file: Path) -> list[bytes]:
    """Return what the addresses of a symlink file lead to."""
    return [on_disk(line).read_bytes() for line in file.read_text().splitlines()]


def uploaded(wire: Wire, objects: Iterable[str]) -> None:
    for path in objects:
        assert wire.post("/branches/main/objects", content=path.encode(), path=path).status == 201


@pytest.mark.endpoint("create_symlink_file")
def test_a_table_is_read_from_the_store_by_its_symlink_file(wire: Wire) -> None:
    uploaded(wire, ["t/b.csv", "t/a.csv", "u/other.csv"])
    found = symlinks(wire, location="t/")
    assert contents(found / "t/symlink.txt") == [b"t/a.csv", b"t/b.csv"]
    uploaded(wire, ["t/c.csv"])
    assert contents(symlinks(wire, location="t/") / "t/symlink.txt") == [b"t/a.csv", b"t/b.csv", b"t/c.csv"]


@pytest.mark.endpoint("create_symlink_file")
def test_a_commit_has_symlink_files_of_its_own(wire: Wire) -> None:
    uploaded(wire, ["t/a.csv"])
    commit = wire.post("/branches/main/commits", {"message": "m"}).body["id"]
    uploaded(wire, ["t/b.csv"])
    assert contents(symlinks(wire, commit, location="t/") / "t/symlink.txt") == [b"t/a.csv"]


@pytest.mark.endpoint("create_symlink_file")
def test_symlink_files_of_what_is_not_there_are_refused(wire: Wire, lakefs: Wire) -> None:
    assert wire.post("/refs/absent/symlink").refused == 404
    assert lakefs.under("repositories", "absent-one").post("/refs/main/symlink").refused == 404
