"""Imports by a lakeFS server from a folder of its storage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from include.exceptions import Absent, Misconfigured, Transient
from include.lake.client import Lake
from millrace.operators.lakefs import LakeFSImportOperator
from tests.support.lake import as_airflow
from tests.support.lakefs_binary import BINARY, NO_BINARY, run_lakefs
from tests.support.task import Task

if not BINARY:
    pytest.skip(NO_BINARY, allow_module_level=True)


@dataclass
class Storage:
    """A repository of the test's own, and a folder of the server's storage beside the lake."""

    lake: Lake
    folder: Path

    @property
    def uri(self) -> str:
        return f"local://{self.folder}/"

    def hold(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def operator(self, **arguments: Any) -> LakeFSImportOperator:
        options = {"branch": "main", "sources": {self.uri: "t/"}, "message": "a day", **arguments}
        return LakeFSImportOperator(
            task_id="fill", repository=self.lake.repository, poll_interval=0.1, **options
        )

    def run(self, *, try_number: int = 1, run_id: str = "r1", **arguments: Any) -> Any:
        return Task(self.operator(**arguments), run_id, try_number=try_number).run()

    @property
    def messages(self) -> list[str]:
        return [commit.message for commit in self.lake.log("main")]

    @property
    def contents(self) -> dict[str, bytes]:
        return {item.path: self.lake.download("main", item.path) for item in self.lake.list_objects("main")}


@pytest.fixture(scope="module")
def lakefs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A server that may import from one folder."""
    folder, outside = tmp_path_factory.mktemp("lakefs"), tmp_path_factory.mktemp("outside")
    allowed = {
        "LAKEFS_BLOCKSTORE_LOCAL_IMPORT_ENABLED": "true",
        "LAKEFS_BLOCKSTORE_LOCAL_ALLOWED_EXTERNAL_PREFIXES": str(outside),
    }
    with run_lakefs(folder, **allowed) as connection:
        yield Storage(Lake(connection, "none"), outside)


@pytest.fixture
def storage(lakefs: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    connection, name = lakefs.lake.connection, f"import-{uuid4().hex[:8]}"
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", as_airflow(connection))
    storage = Storage(Lake(connection, name), lakefs.folder / name)
    storage.lake.ensure_repository(f"local://{name}")
    storage.folder.mkdir()
    storage.hold(a="1", b="2")
    return storage


def test_what_lies_in_the_storage_is_taken_in_as_one_commit(storage: Storage) -> None:
    result = storage.run(metadata={"why": "first"})
    commit = storage.lake.get_commit("main")
    assert (result, storage.contents) == ({"commit": commit.id, "changed": True}, {"t/a": b"1", "t/b": b"2"})
    assert commit.metadata.items() >= {"run_id": "r1", "step": "fill", "why": "first"}.items()
    assert (storage.messages[0], len(storage.messages), len(commit.parents)) == ("a day", 2, 1)
    assert list(storage.lake.list_branches()) == ["main"]


def test_a_second_try_finds_the_first_and_another_run_takes_what_is_new(storage: Storage) -> None:
    first = storage.run()
    assert storage.run(try_number=2) == first
    assert storage.run(run_id="r2") == {**first, "changed": False}
    (storage.folder / "a").unlink()
    storage.hold(c="3")
    assert storage.run(run_id="r3")["changed"] is True
    assert (storage.contents, storage.messages.count("a day")) == ({"t/b": b"2", "t/c": b"3"}, 2)


def test_an_import_that_a_killed_try_left_running_comes_to_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def die(branch: str, number: str) -> None:
        raise Killed(number)

    operator = storage.operator()
    monkeypatch.setattr(operator, "_wait", die)
    with pytest.raises(Killed) as killed:
        Task(operator).run()
    assert storage.run(try_number=2)["changed"] is True
    ended = time.monotonic() + 20
    while not ((state := storage.lake.import_status("main", str(killed.value))).completed or state.error):
        assert time.monotonic() < ended
        time.sleep(0.1)
    assert (storage.messages.count("a day"), list(storage.lake.list_branches())) == (1, ["main"])


@pytest.mark.parametrize(
    ("uri", "message"), [("local:///elsewhere/", "forbidden"), ("{uri}none/", "no such file or directory")]
)
def test_an_import_that_fails_says_why_and_leaves_nothing(storage: Storage, uri: str, message: str) -> None:
    with pytest.raises(Transient, match=rf"import of \['local://.*{message}"):
        storage.run(sources={uri.format(uri=storage.uri): "t/"})
    assert (storage.contents, list(storage.lake.list_branches())) == ({}, ["main"])


def test_a_task_that_is_ended_by_a_person_stops_its_import(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = storage.operator()
    monkeypatch.setattr(time, "sleep", lambda seconds: operator.on_kill())
    with pytest.raises((Absent, Transient)):
        Task(operator).run()
    assert (storage.messages.count("a day"), list(storage.lake.list_branches())) == (0, ["main"])


def test_a_server_that_may_not_import_says_so(tmp_path: Path) -> None:
    with run_lakefs(tmp_path) as connection:
        lake = Lake(connection, "orders")
        lake.ensure_repository("local://orders")
        with pytest.raises(
            Misconfigured,
            match=r"does not support the operation: .* import is not supported for this storage",
        ):
            lake.start_import("main", {"local:///elsewhere/": "t/"}, "a day", {})
