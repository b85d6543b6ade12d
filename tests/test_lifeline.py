"""What a test process starts ends with it, even if it is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from include.platform.embedded.processes import wait_until_gone
from include.settings import ROOT
from tests.support.lifeline import run_if_killed

LAKE = """
from pathlib import Path
from tests.support.lake import run_lake_server
with run_lake_server(Path(sys.argv[1])) as server:
    print(server.process.pid, flush=True)
    sys.stdin.read()
"""
STUBBORN = """
from tests.support import lifeline
server = lifeline.start(["sh", "-c", "trap '' TERM; sleep 60 & echo $$ $!; wait"])
sys.stdin.read()
"""
"""A server that ignores SIGTERM, and so does its child."""
DATABASE = """
from include.platform.embedded import postgres
from tests.support.stack import database_folder
with database_folder() as folder:
    postgres.start(folder / "postgres")
    print(postgres.pid(folder / "postgres"), flush=True)
    sys.stdin.read()
"""
STACK = """
import psutil
from include.platform.embedded.processes import Record
from tests.support.stack import database_folder
with database_folder() as folder:
    supervisor = psutil.Popen(["sleep", "60"], start_new_session=True)
    (folder / "var" / "run").mkdir(parents=True)
    Record(supervisor.pid, ("60",)).write(folder / "var" / "run" / "stack.json")
    print(supervisor.pid, flush=True)
    sys.stdin.read()
"""
UNWATCHED = {
    "tests/platform/embedded/test_stack.py",  # a process that ends with its standard input
    "tests/platform/embedded/test_processes.py",  # a process in its own session, which ends by itself
    "tests/support/lifeline.py",
    "tests/test_lifeline.py",
}


@pytest.mark.parametrize(
    "code", [LAKE, STUBBORN, DATABASE, STACK], ids=["lake", "stubborn", "database", "stack"]
)
def test_servers_end_with_a_killed_process(code: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"import sys\n{code}", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        servers = [psutil.Process(int(number)) for number in process.stdout.readline().split()]
        process.kill()

    assert servers
    assert all(wait_until_gone(server, 20) for server in servers)


def test_nothing_is_run_after_a_block_that_ends(tmp_path: Path) -> None:
    with run_if_killed("touch", str(tmp_path / "run")):
        pass

    assert not (tmp_path / "run").exists()


def test_every_server_is_started_so() -> None:
    files = (file for file in (ROOT / "tests").rglob("*.py") if "subprocess.Popen(" in file.read_text())
    assert {str(file.relative_to(ROOT)) for file in files} == UNWATCHED
