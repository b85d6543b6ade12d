"""A full disk or a damaged database is reported as such, and never as a success."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from lakefs_client.exceptions import ApiException

from tests.support.lake import LakeServer
from tests.support.repo import Repo, ask, client_of, refused

MIB = 1 << 20


@contextmanager
def disk_of(server: LakeServer, size: int) -> Iterator[None]:
    """Limit the server's files to `size` bytes, which has the same effect as a full disk."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system has no prlimit to take room from a running server")
    assert server.process
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, most))


@pytest.fixture
def own(mortal: LakeServer) -> Repo:
    """A repository for one test, on the server that may be damaged."""
    lake = mortal.lake(f"own-{uuid4().hex[:12]}")
    return Repo(client_of(mortal.connection), lake.repository)


def test_an_upload_without_room_is_refused_and_leaves_nothing(own: Repo, mortal: LakeServer) -> None:
    own.put("small", b"1")
    with disk_of(mortal, MIB), refused(507, "make room and try again"):
        own.put("large", bytes(2 * MIB))
    assert (own.list(), list((mortal.folder / "objects/tmp").iterdir())) == (["small"], [])
    own.put("large", bytes(2 * MIB))
    assert own.list() == ["large", "small"]


def test_what_the_database_has_no_room_for_did_not_happen(own: Repo, mortal: LakeServer) -> None:
    own.save(a=b"1")
    own.put("b")
    with disk_of(mortal, 0), pytest.raises(ApiException) as caught:
        own.commit()
    assert caught.value.status in (500, 507)
    assert "the lake's" in caught.value.body
    assert (own.list("main@"), own.uncommitted()) == (["a"], {"b": "added"})
    own.commit()
    assert own.list("main@") == ["a", "b"]


def overwrite_all_but_the_first_page(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        page = database.execute("PRAGMA page_size").fetchone()[0]
    content = file.read_bytes()
    file.write_bytes(content[:page] + b"\xff" * (len(content) - page))


def test_a_damaged_database_is_an_error_until_it_is_whole_again(own: Repo, mortal: LakeServer) -> None:
    own.save(a=b"1")
    file = mortal.folder / "lake.sqlite"
    mortal.kill()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = file.read_bytes()
    overwrite_all_but_the_first_page(file)
    mortal.start()
    for path in ("repositories", f"repositories/{own.name}/refs/main/objects/ls"):
        status, answer = ask(mortal.connection, "GET", path)
        assert (status, "the lake's store cannot be read" in answer["message"]) == (500, True)
    mortal.kill()
    file.write_bytes(backup)
    mortal.start()
    assert own.list() == ["a"]
