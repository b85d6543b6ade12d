"""The stack's lake: the embedded server, or a lakeFS program with the same settings."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from include.exceptions import Misconfigured, Unauthorized
from include.lake.client import Lake, LakeConnection
from include.platform.embedded import lake_process, stack_secrets
from include.platform.embedded.environment import environment
from include.platform.embedded.stack import Stack
from include.platform.embedded.supervisor import read_procfile
from include.settings import ROOT, Settings
from tests.support import lifeline
from tests.support.lakefs_binary import BINARY, NO_BINARY
from tests.support.stack import changed, settings_in


@contextmanager
def started(settings: Settings) -> Iterator[Stack]:
    """Start the lake of a stack by its Procfile and in its environment."""
    lake_process.check(settings)
    variables = environment(settings, stack_secrets.ensure(settings.var), "/no/database")
    process = lifeline.start(["/bin/sh", "-c", read_procfile()["lake"]], cwd=ROOT, env=variables)
    try:
        wait_for(f"http://127.0.0.1:{settings.lakefs.port}/api/v1/healthcheck", process)
        yield Stack(settings)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib3.request("GET", url, timeout=2, retries=False)
            return
        except urllib3.exceptions.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def use(found: Lake, file: Path) -> None:
    """Use a lake as the loop does."""
    file.write_text("1")
    found.ensure_repository(f"local://{found.repository}")
    found.create_branch("work", "main")
    found.upload("work", "t/a", file)
    found.commit("work", "load", {"rows": "1"})
    found.merge("work", "main", "publish", {})
    assert (found.download("main", "t/a"), found.get_commit("work").metadata) == (b"1", {"rows": "1"})


@pytest.mark.skipif(not BINARY, reason=NO_BINARY)
def test_a_lakefs_program_takes_our_servers_place(tmp_path: Path) -> None:
    settings = changed(settings_in(tmp_path / "var"), lakefs={"binary": BINARY})
    with started(settings) as stack:
        use(Lake(stack.connection(), "flights"), tmp_path / "file")
    assert [folder.name for folder in settings.var.glob("lakefs*")] == ["lakefs-binary"]


def test_the_second_pair_of_keys_may_read_only(tmp_path: Path) -> None:
    settings = changed(settings_in(tmp_path / "var"), lakefs={"binary": ""})
    with started(settings) as stack:
        use(Lake(stack.connection(), "flights"), tmp_path / "file")
        made = stack_secrets.ensure(settings.var)
        reader = LakeConnection(
            endpoint=stack.connection().endpoint,
            access_key_id=made.lake_reader_access_key_id,
            secret_access_key=made.lake_reader_secret_access_key,
        )
        assert Lake(reader, "flights").download("main", "t/a") == b"1"
        with pytest.raises(Unauthorized, match="403"):
            Lake(reader, "flights").delete_branch("work")


@pytest.mark.parametrize("made", ["nothing", "folder", "file"])
def test_a_program_that_cannot_be_run_is_told_before_anything_starts(tmp_path: Path, made: str) -> None:
    binary = tmp_path / "lakefs"
    if made == "folder":
        binary.mkdir()
    elif made == "file":
        binary.touch(mode=0o644)
    stack = Stack(changed(settings_in(tmp_path / "var"), lakefs={"binary": str(binary)}))
    with pytest.raises(
        Misconfigured, match=f"MILLRACE_LAKEFS_BINARY='{binary}' is not a program that you may run"
    ):
        stack.up(lambda text: None)
    assert not (tmp_path / "var/secrets").exists()
