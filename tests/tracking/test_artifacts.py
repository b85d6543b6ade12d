"""Artifacts read through a server: what is absent, and what is only away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from include.exceptions import Absent, MillraceError, Transient, Unauthorized, Unavailable
from include.tracking.artifacts import read_artifact
from include.tracking.runs import Experiment, RunLog
from include.tracking.server import TrackingServer
from tests.support.services import run_mlflow
from tests.support.strangers import server_that_replies


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TrackingServer]:
    with run_mlflow(folder) as found:
        yield found


@pytest.fixture
def run(server: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> RunLog:
    """A finished run with one artifact."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    with Experiment(server, "orders.train").attempts("k").start(name="n", tags={}) as made:
        made.log_text("content", "a.txt")
    return made


def test_what_a_server_has_not_is_absent_and_what_it_has_is_read(run: RunLog, folder: Path) -> None:
    assert run.download_artifact("a.txt") == b"content"
    with pytest.raises(Absent, match=r"there is no artifact 'none\.txt' of run"):
        run.download_artifact("none.txt")
    [stored] = folder.rglob(f"{run.id}/artifacts")
    shutil.rmtree(stored)
    with pytest.raises(Absent, match=r"there is no artifact 'a\.txt' of run"):
        run.download_artifact("a.txt")


def test_a_wrong_login_is_neither_absent_nor_away(run: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.run.info.artifact_uri  # known before the login is wrong
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(Unauthorized, match="correct the connection's credentials"):
        run.download_artifact("a.txt")


def store(listing: int, *files: str) -> AbstractContextManager[str]:
    """A server as one with its artifacts in S3: 500 to every file, and a listing with a status of its own."""
    found = [{"path": name, "is_dir": False, "file_size": 1} for name in files]
    listed = json.dumps({"files": found}).encode()
    return server_that_replies(lambda path: (listing, listed) if "?path=" in path else (500, b"{}"))


@pytest.mark.parametrize(
    ("listing", "files", "error", "message"),
    [
        (200, ["b.txt"], Absent, "there is no artifact"),
        (200, ["a.txt", "b.txt"], Transient, "lists artifact .* and did not send it"),
        (503, [], Unavailable, "does not answer"),
    ],
    ids=["absent", "not sent", "store away"],
)
def test_a_failed_download_is_what_the_listing_says(
    listing: int, files: list[str], error: type[MillraceError], message: str
) -> None:
    with store(listing, *files) as uri, pytest.raises(error, match=message) as caught:
        read_artifact(
            TrackingServer(uri=uri), "mlflow-artifacts:/1/r/artifacts", "a.txt", what="artifact 'a.txt'"
        )
    assert type(caught.value) is error
