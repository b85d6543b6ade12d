"""A lake gets its first user once, however often the command runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from include.exceptions import Unauthorized
from include.lake.client import Lake, LakeConnection
from include.settings import ROOT
from tests.support.lake import LakeServer


def run(lake: LakeConnection | None) -> tuple[int, str]:
    """Return the status and the output of the command."""
    env = (
        {
            "LAKECTL_SERVER_ENDPOINT_URL": lake.endpoint,
            "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": lake.access_key_id,
            "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": lake.secret_access_key,
        }
        if lake
        else {}
    )
    command = [sys.executable, "-m", "include.lake.bootstrap"]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False
    )
    return ended.returncode, (ended.stdout + ended.stderr).strip()


def test_a_lakefs_over_postgresql_takes_its_keys_once_it_is_set_up(fresh_lakefs: LakeConnection) -> None:
    with pytest.raises(Unauthorized):
        Lake(fresh_lakefs, "flights").ping()
    output = 0, f"lakeFS 1.84.0 at {fresh_lakefs.endpoint} is set up and accepts the keys"
    assert [run(fresh_lakefs), run(fresh_lakefs)] == [output, output]
    with pytest.raises(Unauthorized):
        Lake(replace(fresh_lakefs, access_key_id="AKIAOTHEROTHEROTHERO"), "flights").create_first_user(
            "admin"
        )


def test_the_embedded_lake_is_set_up_from_its_start(lake_server: LakeServer) -> None:
    output = 0, f"lakeFS 1.84.0 at {lake_server.connection.endpoint} is set up and accepts the keys"
    assert [run(lake_server.connection), run(lake_server.connection)] == [output, output]


def test_unknown_keys_are_refused(lake_server: LakeServer) -> None:
    status, output = run(replace(lake_server.connection, secret_access_key="another"))
    assert status == 1
    assert output.startswith("the lake refused access key 'AKIATESTTESTTESTTEST' for the lake")


def test_what_is_missing_is_named() -> None:
    assert run(None) == (
        1,
        "missing or invalid: LAKECTL_CREDENTIALS_ACCESS_KEY_ID, LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, "
        "LAKECTL_SERVER_ENDPOINT_URL; set them as for lakectl",
    )
