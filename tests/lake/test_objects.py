"""Uploads and downloads: streamed, verified, resumed after an interruption."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import md5
from io import BytesIO
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exceptions import Absent, Misconfigured, Transient, Unavailable
from include.lake.client import Lake, LakeConnection, LakeObject
from tests.support.strangers import server_that_answers

MIB = 1 << 20
NOBODY = LakeConnection(endpoint="http://127.0.0.1:1", access_key_id="k", secret_access_key="hidden")


class Endless(BytesIO):
    """A stream of so many bytes that are never in memory together."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, size: int | None = -1) -> bytes:
        taken = min(self.left, size or 0)
        self.left -= taken
        return bytes(taken)


def test_a_stream_of_unknown_length_goes_up(lake: Lake) -> None:
    stored = lake.upload("main", "a", BytesIO(b"abc" * MIB))
    assert stored == LakeObject("a", 3 * MIB, md5(b"abc" * MIB).hexdigest())
    assert lake.stat("main", "a") == stored


def test_a_large_object_goes_up_and_down_in_little_memory(lake: Lake, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        lake.upload("main", "a", Endless(128 * MIB))
        lake.download_to("main", "a", tmp_path / "a")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "a").stat().st_size == 128 * MIB
    assert peak < 16 * MIB


def test_a_file_goes_up_with_its_length(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (2 * MIB + 1))
    assert lake.upload("main", "dir/ä b", tmp_path / "a").size == 2 * MIB + 1
    assert lake.download("main", "dir/ä b") == b"x" * (2 * MIB + 1)


def test_what_cannot_be_read_is_not_the_lakes_fault(lake: Lake) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        lake.upload("main", "a", Broken())
    with pytest.raises(Absent):
        lake.stat("main", "a")


def test_a_damaged_upload_is_transient(lake: Lake) -> None:
    stats = {"path": "a", "path_type": "object", "physical_address": "x", "mtime": 1, "size_bytes": 3}
    answer = json.dumps({**stats, "checksum": "0123"}).encode()
    with server_that_answers(201, answer) as endpoint, pytest.raises(Transient, match="stored 3 with 0123"):
        Lake(replace(lake.connection, endpoint=endpoint), "flights").upload("main", "a", BytesIO(b"abc"))


def test_a_damaged_upload_is_discarded_and_a_later_one_is_not(lake: Lake) -> None:
    stored = lake.upload("main", "a", BytesIO(b"damaged"))
    lake._discard_upload("main", replace(stored, checksum="of an earlier one"))
    assert lake.stat("main", "a") == stored
    lake._discard_upload("main", stored)
    with pytest.raises(Absent):
        lake.stat("main", "a")


def test_what_overwrote_a_committed_object_and_is_damaged_leaves_that_one(lake: Lake) -> None:
    good = lake.upload("main", "a", BytesIO(b"good"))
    lake.commit("main", "good", {})
    lake._discard_upload("main", lake.upload("main", "a", BytesIO(b"damaged")))
    assert (lake.stat("main", "a").md5, list(lake.uncommitted("main"))) == (good.md5, [])


def test_a_downloaded_file_is_as_readable_as_any_other(lake: Lake, tmp_path: Path) -> None:
    lake.upload("main", "a", BytesIO(b"abc"))
    lake.download_to("main", "a", tmp_path / "a")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_download_leaves_nothing_but_the_whole_file(lake: Lake, tmp_path: Path) -> None:
    lake.upload("main", "a", BytesIO(b"abc"))
    assert lake.download_to("main", "a", tmp_path / "a") == lake.stat("main", "a")
    with pytest.raises(Absent):
        lake.download_to("main", "none", tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@contextmanager
def cutting(endpoint: str, after: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy to the lake that cuts every connection after some bytes, and the requests that it received."""
    host, port = endpoint.removeprefix("http://").split(":")
    requests: list[bytes] = []
    with create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    taker, _ = server.accept()
                except OSError:
                    return
                with taker, create_connection((host, int(port))) as lake:
                    requests.append(taker.recv(65536))
                    lake.sendall(requests[-1].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                    left = after
                    while left > 0 and (block := lake.recv(min(65536, left))):
                        taker.sendall(block)
                        left -= len(block)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        finally:
            server.shutdown(SHUT_RDWR)
            thread.join()


def test_a_download_that_is_cut_goes_on_where_it_was(lake: Lake, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4 * 4096
    lake.upload("main", "a", BytesIO(content))
    with cutting(lake.connection.endpoint, 3 * MIB // 2) as (endpoint, requests):
        cut = Lake(replace(lake.connection, endpoint=endpoint), lake.repository)
        cut.download_to("main", "a", tmp_path / "a")
    ranges = [
        line for request in requests for line in request.splitlines() if line.lower().startswith(b"range:")
    ]
    assert (tmp_path / "a").read_bytes() == content
    assert len(ranges) >= 2


def test_a_way_that_lets_nothing_through_is_given_up(lake: Lake, tmp_path: Path) -> None:
    lake.upload("main", "a", BytesIO(b"a" * MIB))
    with cutting(lake.connection.endpoint, 600) as (endpoint, _):
        cut = Lake(replace(lake.connection, endpoint=endpoint), lake.repository)
        with pytest.raises(Unavailable):
            cut.download_to("main", "a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_range_is_read_and_a_file_is_sought_in(lake: Lake) -> None:
    stored = lake.upload("main", "a", BytesIO(b"0123456789"))
    assert lake.read("main", "a", 2, 4) == b"234"
    with lake.open(stored, "main") as file:
        file.seek(-3, 2)
        assert (file.read(), file.seek(1), file.read(2), file.tell()) == (b"789", 1, b"12", 3)


def test_a_reader_of_three_columns_fetches_three_columns(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{number}" for number in range(30)]
    columns = {name: pa.array(range(at, 20_000 + at)) for at, name in enumerate(names)}
    sink, fetched = BytesIO(), []
    pq.write_table(pa.table(columns), sink, compression="none", use_dictionary=False)
    sink.seek(0)
    stored = lake.upload("main", "a.parquet", sink)
    read = Lake.read

    def counted(self: Lake, ref: str, path: str, first: int, last: int) -> bytes:
        fetched.append(last - first + 1)
        return read(self, ref, path, first, last)

    monkeypatch.setattr(Lake, "read", counted)
    with lake.open(stored, "main") as file:
        table: Any = pq.read_table(file, columns=["c3", "c7", "c29"])
    assert table.column_names == ["c3", "c7", "c29"]
    assert sum(fetched) < stored.size * 0.2


def test_a_copy_moves_no_content_and_deletes_are_counted(lake: Lake) -> None:
    stored = lake.upload("main", "a", BytesIO(b"abc"))
    lake.commit("main", "m", {})
    lake.create_branch("b", "main")
    lake.delete_object("main", "a")
    assert lake.copy("b", "x/1", "a") == replace(stored, path="x/1")
    assert lake.copy("main", "x/2", "a", "b") == replace(stored, path="x/2")
    assert lake.delete_objects("b", ["a", "x/1", "none"]) == 3
    assert list(lake.list_objects("b")) == []


def test_more_objects_than_fit_one_request_are_all_deleted(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.lake.objects._DELETE_BATCH_PATHS", 2)
    paths = list("abcde")
    for path in paths:
        lake.upload("main", path, BytesIO(b"a"))
    assert lake.delete_objects("main", paths) == 5
    assert list(lake.list_objects("main")) == []


def test_errors_of_a_delete_are_reported() -> None:
    answer = b'{"errors": [{"path": "a", "status_code": 403, "message": "no"}]}'
    with server_that_answers(200, answer) as endpoint:
        lake = Lake(replace(NOBODY, endpoint=endpoint), "flights")
        with pytest.raises(Misconfigured, match="1 objects of 'main' cannot be deleted: 'a': no"):
            lake.delete_objects("main", ["a"])
