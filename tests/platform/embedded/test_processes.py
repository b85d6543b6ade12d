"""Processes are found, terminated and measured, even if their parent is dead."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from include.platform.embedded import processes
from include.platform.embedded.processes import Record

STUBBORN = (
    "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
)


@pytest.fixture
def part() -> Iterator[psutil.Process]:
    """A process in its own session that ignores SIGTERM."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], start_new_session=True, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield psutil.Process(started.pid)
        started.kill()


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record(supervisor=7, created=1.5, sessions=(8, 9), ports=(1, 2, 3))

    record.write(tmp_path / "stack.json")

    assert Record.read(tmp_path / "stack.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"supervisor": 1, "created": 2.0}'])
def test_a_torn_record_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)

    assert Record.read(tmp_path / "stack.json") is None
    assert Record.read(tmp_path / "missing.json") is None


def test_a_number_used_again_is_another_process(part: psutil.Process) -> None:
    assert Record(part.pid, part.create_time()).process() == part
    assert Record(part.pid, part.create_time() - 60).process() is None


def test_members_are_found_when_their_supervisor_is_gone(part: psutil.Process) -> None:
    gone = Record(supervisor=2**22, created=part.create_time(), sessions=(os.getsid(part.pid),))

    assert gone.members() == [part]
    assert Record(2**22, part.create_time() + 60, gone.sessions).members() == []


def test_sessions_below_are_those_of_its_parts(part: psutil.Process) -> None:
    me = psutil.Process()

    assert part.pid in processes.sessions_below(me)
    assert os.getsid(0) not in processes.sessions_below(me)


def test_who_does_not_listen_is_killed(part: psutil.Process) -> None:
    processes.end([part], grace=0.2)

    assert not part.is_running()
    processes.end([part], grace=0.2)


def test_waiting_tells_whether_it_ended(part: psutil.Process) -> None:
    assert not processes.wait_until_gone(part, 0.1)

    part.kill()

    assert processes.wait_until_gone(part, 5)
    assert not psutil.pid_exists(part.pid)


def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert processes.listening_on(port).endswith(f"(process {os.getpid()})")

    assert processes.listening_on(port) == "another process"


def test_memory_of_the_dead_counts_nothing(part: psutil.Process) -> None:
    assert 2**20 < processes.memory([part]) <= part.memory_info().rss

    processes.end([part], grace=0.1)

    assert processes.memory([part]) == 0


def test_a_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def enter() -> None:
        for _ in range(20):
            with processes.file_lock(tmp_path / "run" / "lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1]
    assert list((tmp_path / "run").iterdir()) == []


def test_a_lock_ends_with_an_error_inside(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), processes.file_lock(tmp_path / "lock"):
            raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []
