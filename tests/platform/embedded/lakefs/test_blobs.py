"""Contents are stored in constant memory, and damaged ones are never returned completely."""

from __future__ import annotations

import hashlib
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from include.platform.embedded.lakefs.blobs import Blobs, Stored
from include.platform.embedded.lakefs.errors import Corrupt, TooFull
from tests.support.lake import LakeServer
from tests.support.repo import Repo, refused

MIB = 1 << 20


def put(blobs: Blobs, content: bytes) -> Stored:
    with blobs.incoming() as incoming:
        incoming.write([content])
        stored = incoming.finish()
        blobs.keep(incoming, stored.address)
    return stored


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip_last_byte(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


DAMAGES = [shorten, flip_last_byte, Path.unlink]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def test_the_same_content_is_kept_once(blobs: Blobs, tmp_path: Path) -> None:
    first, second = put(blobs, b"abc"), put(blobs, b"abc")
    assert first == second == (hashlib.sha256(b"abc").hexdigest(), hashlib.md5(b"abc").hexdigest(), 3)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [blobs.path(first.address)]


def test_a_content_that_would_leave_too_little_space_is_refused(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    almost_full = Blobs(tmp_path, min_free=free // 2)

    with pytest.raises(TooFull, match=r"MiB free, .* MiB \(MILLRACE_MIN_FREE\); free some space"):
        almost_full.incoming(free).__enter__()

    assert put(almost_full, b"abc").size == 3
    assert [file.name for file in (tmp_path / "tmp").iterdir()] == []


def test_an_upload_that_breaks_off_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    def break_off() -> None:
        with blobs.incoming() as incoming:
            incoming.write([b"half" * MIB])
            raise ConnectionError("client is gone")

    with pytest.raises(ConnectionError):
        break_off()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_what_a_crash_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    (tmp_path / "tmp/torn").write_bytes(b"half")
    blobs.sweep()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB])
@pytest.mark.parametrize("damage", DAMAGES)
def test_nobody_gets_all_of_a_damaged_content(
    blobs: Blobs, size: int, damage: Callable[[Path], None]
) -> None:
    stored = put(blobs, b"x" * size)
    damage(blobs.path(stored.address))
    seen: list[bytes] = []
    with pytest.raises(Corrupt, match=str(blobs.path(stored.address))):
        seen.extend(blobs.read(stored.address, 0, size - 1, whole=True))
    assert len(b"".join(seen)) < size


def test_storing_again_mends_a_damaged_content(blobs: Blobs) -> None:
    stored = put(blobs, b"abc")
    flip_last_byte(blobs.path(stored.address))
    put(blobs, b"abc")
    assert list(blobs.read(stored.address, 0, 2, whole=True)) == [b"abc"]


def test_the_disk_is_given_what_came_while_more_arrives(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "include.platform.embedded.lakefs.blobs._start_writeback",
        lambda _, first, size: given.append((first, size)),
    )
    with blobs.incoming() as incoming:
        for _ in range(20):
            incoming.write([bytes(MIB)])
    assert given == [(0, 8 * MIB), (8 * MIB, 8 * MIB)]


def test_a_disk_that_fails_at_the_end_fails_the_upload(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"):
        put(blobs, bytes(9 * MIB))


def test_memory_does_not_grow_with_the_content(blobs: Blobs) -> None:
    tracemalloc.start()
    with blobs.incoming() as incoming:
        for _ in range(64):
            incoming.write([bytes(MIB)])
        stored = incoming.finish()
        blobs.keep(incoming, stored.address)
    read = sum(len(chunk) for chunk in blobs.read(stored.address, 0, stored.size - 1, whole=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (read, peak < 4 * MIB) == (64 * MIB, True), peak


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_is_an_error_that_names_its_file(
    repo: Repo, lake_server: LakeServer, damage: Callable[[Path], None]
) -> None:
    content = f"only in {repo.name}".encode()
    repo.put("a", content)
    file = Blobs(lake_server.folder / "objects").path(hashlib.sha256(content).hexdigest())
    damage(file)
    with refused(500, str(file)):
        repo.get("a")


def test_a_large_damaged_object_never_arrives_whole(repo: Repo, lake_server: LakeServer) -> None:
    content = repo.name.encode() * 300_000
    repo.put("a", content)
    flip_last_byte(Blobs(lake_server.folder / "objects").path(hashlib.sha256(content).hexdigest()))
    with pytest.raises(urllib3.exceptions.HTTPError, match="IncompleteRead"):
        repo.get("a")
