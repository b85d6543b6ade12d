"""A lake gets its first user, once, whoever asks how often."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.embedded import postgres
from include.exceptions import Unauthorized
from include.lake.client import Lake, LakeConnection
from include.settings import ROOT
from tests.support.lake import LakeServer
from tests.support.lakefs_binary import BINARY, NO_BINARY, run_lakefs
from tests.support.stack import database_folder


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LakeConnection]:
    """A real lakeFS over PostgreSQL, as the Compose file and the cluster have it, that nobody has set up."""
    if not BINARY:
        pytest.skip(NO_BINARY)
    with database_folder() as above:
        folder = above / "postgres"
        try:
            where = f"host={postgres.start(folder)} user=postgres dbname=postgres"
            told = {"DATABASE_TYPE": "postgres", "DATABASE_POSTGRES_CONNECTION_STRING": where}
            with run_lakefs(tmp_path, **{f"LAKEFS_{name}": value for name, value in told.items()}) as found:
                yield found
        finally:
            postgres.stop(folder)


def run(lake: LakeConnection | None) -> tuple[int, str]:
    """Status and words of the command."""
    told = (
        {
            "LAKECTL_SERVER_ENDPOINT_URL": lake.endpoint,
            "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": lake.access_key_id,
            "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": lake.secret_access_key,
        }
        if lake
        else {}
    )
    command = [sys.executable, "-m", "include.lake.setup"]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, check=False
    )
    return ended.returncode, (ended.stdout + ended.stderr).strip()


def test_a_lakefs_over_postgresql_takes_its_keys_once_it_is_set_up(fresh: LakeConnection) -> None:
    with pytest.raises(Unauthorized):
        Lake(fresh, "flights").ping()
    said = 0, f"lakeFS 1.84.0 at {fresh.endpoint} is set up and takes the keys"
    assert [run(fresh), run(fresh)] == [said, said]
    with pytest.raises(Unauthorized):
        Lake(replace(fresh, access_key_id="AKIAOTHEROTHEROTHERO"), "flights").set_up("admin")


def test_the_embedded_lake_is_set_up_from_its_start(lake_server: LakeServer) -> None:
    said = 0, f"lakeFS 1.84.0 at {lake_server.connection.endpoint} is set up and takes the keys"
    assert [run(lake_server.connection), run(lake_server.connection)] == [said, said]


def test_keys_of_nobody_are_refused(lake_server: LakeServer) -> None:
    status, said = run(replace(lake_server.connection, secret_access_key="another"))
    assert status == 1
    assert said.startswith("the lake refused access key 'AKIATESTTESTTESTTEST' for the lake")


def test_what_is_missing_is_named() -> None:
    assert run(None) == (
        1,
        "missing or wrong: LAKECTL_CREDENTIALS_ACCESS_KEY_ID, LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, "
        "LAKECTL_SERVER_ENDPOINT_URL; set them as for lakectl",
    )
