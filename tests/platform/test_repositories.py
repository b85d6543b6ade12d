"""The command that makes the repositories of pipelines in a lake that somebody else set up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from include.exceptions import Absent, Misconfigured
from include.lake.client import Lake
from include.platform.repositories import find_repositories, make_repositories
from include.settings import ROOT
from tests.support.lake import LakeServer
from tests.support.pipeline import write_pipeline


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """The repository of a pipeline that is the only one; it is not there."""
    name = f"orders-{uuid4().hex[:12]}"
    write_pipeline(tmp_path, "orders", lake={"repository": name, "branch": "trunk"})
    return name


def run(server: LakeServer, pipelines: Path, *arguments: str) -> tuple[int, str]:
    variables = {
        "LAKECTL_SERVER_ENDPOINT_URL": server.connection.endpoint,
        "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": server.connection.access_key_id,
        "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": server.connection.secret_access_key,
        "MILLRACE_PIPELINES": str(pipelines),
    }
    command = [sys.executable, "-m", "include.platform.repositories", *arguments]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    return ended.returncode, (ended.stdout + ended.stderr).strip()


@pytest.mark.parametrize("storage", ["local://", "local://lake", "local://lake/"])
def test_repositories_are_listed_made_and_left_as_they_are(
    storage: str, lake_server: LakeServer, repository: str, tmp_path: Path
) -> None:
    ready, missing = (0, f"{repository}: ready"), (1, f"{repository}: missing")
    assert run(lake_server, tmp_path) == missing
    assert [run(lake_server, tmp_path, storage) for _ in range(2)] == [ready, ready]
    assert run(lake_server, tmp_path) == ready
    assert Lake(lake_server.connection, repository).ref_exists("trunk")


def test_a_broken_pipeline_is_named_and_keeps_no_other_from_its_repository(
    lake_server: LakeServer, repository: str, tmp_path: Path
) -> None:
    (write_pipeline(tmp_path, "broken") / "pipeline.yaml").write_text("schedule: {since: 2013-02-30}\n")

    status, printed = run(lake_server, tmp_path, "local://")

    assert f"{tmp_path}/broken/pipeline.yaml: 1 fault(s)\n  schedule.since: '2013-02-30' is not" in printed
    assert f"{repository}: ready" in printed
    assert status == 0


def test_a_repository_that_the_lake_refuses_keeps_no_other_from_being_made(
    lake_server: LakeServer,
    repository: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_pipeline(tmp_path, "another", lake={"repository": f"{repository}-b", "branch": "main"})
    make = Lake.ensure_repository_below

    def refuse_one(lake: Lake, storage: str, branch: str) -> None:
        if lake.repository.endswith("-b"):
            raise Misconfigured("the lake refuses this storage")
        make(lake, storage, branch)

    monkeypatch.setattr(Lake, "ensure_repository_below", refuse_one)
    make_repositories(lake_server.connection, tmp_path, "local://")

    assert "pipeline 'another': the lake refuses this storage" in capsys.readouterr().err
    found = find_repositories(lake_server.connection, tmp_path)
    assert found == {repository: True, f"{repository}-b": False}


def test_an_error_about_a_missing_repository_names_the_command(
    lake_server: LakeServer, repository: str
) -> None:
    lake = Lake(lake_server.connection, repository)
    with pytest.raises(
        Absent, match=r"`make up` .* `make compose DO=up` .*include\.platform\.repositories <stor"
    ):
        lake.create_branch("ingest", "trunk")
