"""Processes are found, terminated and measured, even if their parent is dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from include.exceptions import Misconfigured
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
    record = Record(supervisor=7, arguments=("-c", "x"), ports=(1, 2, 3))

    record.write(tmp_path / "stack.json")

    assert Record.read(tmp_path / "stack.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"supervisor": 4194304, "arguments": []}'])
def test_a_torn_record_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)

    assert Record.read(tmp_path / "stack.json") is None
    assert Record.read(tmp_path / "missing.json") is None


OLD_RECORD = {"created": 1.0, "sessions": [1], "ports": [1, 2, 3], "runtime": "process"}
"""What an older version wrote beside the supervisor's process id."""


def test_a_record_of_another_version_counts_while_its_supervisor_runs(
    part: psutil.Process, tmp_path: Path
) -> None:
    file = tmp_path / "stack.json"
    file.write_text(json.dumps({"supervisor": part.pid, **OLD_RECORD}))

    with pytest.raises(Misconfigured) as caught:
        Record.read(file)

    message = str(caught.value)
    assert message.startswith(f"{file} was written by another version of Millrace, whose stack still runs")
    assert f"(process {part.pid}): run `make down` in a checkout of that version" in message
    part.kill()
    part.wait()
    assert Record.read(file) is None


def test_a_process_that_leads_no_session_is_no_supervisor(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN]) as started:
        (tmp_path / "stack.json").write_text(json.dumps({"supervisor": started.pid, **OLD_RECORD}))
        try:
            assert Record.read(tmp_path / "stack.json") is None
        finally:
            started.kill()


def test_a_number_used_again_is_another_process(part: psutil.Process) -> None:
    assert Record(part.pid, ("-c", STUBBORN)).process() == part
    assert Record(part.pid, ("-c", "another program")).process() is None
    assert Record(part.pid, ("-c", "another program")).members() == []


def test_a_process_that_was_just_started_is_known_once_it_shows_its_arguments(
    part: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = iter([[], [], part.cmdline()])
    monkeypatch.setattr("psutil.Process.cmdline", lambda _: next(shown))

    processes.wait_for_arguments(part.pid)

    assert list(shown) == []


def test_many_that_were_just_started_are_known_at_once() -> None:
    for _ in range(200):
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", STUBBORN], {}, setsid=True)
        try:
            processes.wait_for_arguments(pid)
            assert Record(pid, ("-c", STUBBORN)).process() is not None
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def test_nobody_waits_for_a_process_that_has_ended() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    processes.wait_for_arguments(ended.pid)


def test_a_clock_that_is_put_forward_or_back_changes_nothing(
    part: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record(part.pid, ("-c", STUBBORN))

    for seconds in (-3600, 3600):
        # Linux counts from the start of the machine, whose own time moves with the clock.
        moved = psutil.boot_time() + seconds
        monkeypatch.setattr("psutil.boot_time", lambda moved=moved: moved)
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda moved=moved: moved, raising=False)
        assert record.process() == part
        assert pids(record.members()) == {part.pid}
        assert record.orphans() == []


def test_boots_differ_where_the_processes_of_others_are_hidden_too(tmp_path: Path) -> None:
    """As on a machine whose /proc is mounted with `hidepid=2`."""
    boots = set()
    for name in ("one", "two"):
        kernel = tmp_path / name / "sys/kernel/random/boot_id"
        kernel.parent.mkdir(parents=True)
        kernel.write_text(f"{name}\n")
        boots.add(processes._boot_id(tmp_path / name))

    assert len(boots) == 2


def test_a_supervisor_is_looked_for_without_reading_every_process(
    part: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.process_iter", None)

    assert Record(part.pid, ("-c", STUBBORN)).process() == part


FAMILY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(own.pid, flush=True)
own.wait()
"""


@pytest.fixture
def family() -> Iterator[tuple[Record, list[psutil.Process]]]:
    """A supervisor with a child in its session and one in a session of its own."""
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        supervisor = psutil.Process(started.pid)
        children = supervisor.children()
        yield Record(supervisor.pid, ("-c", FAMILY)), children
        for process in (supervisor, *children):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def pids(found: Iterable[psutil.Process]) -> set[int]:
    return {process.pid for process in found}


def test_members_are_the_supervisor_and_its_descendants(
    family: tuple[Record, list[psutil.Process]],
) -> None:
    record, children = family

    assert pids(record.members()) == {record.supervisor, *pids(children)}
    assert pids(record.orphans()) == set()


def test_members_of_the_session_are_found_when_their_supervisor_is_gone(
    family: tuple[Record, list[psutil.Process]],
) -> None:
    record, children = family
    supervisor = psutil.Process(record.supervisor)
    supervisor.kill()
    assert processes.wait_until_gone(supervisor, 5)

    members = pids(record.members())

    assert members == {process.pid for process in children if os.getsid(process.pid) == record.supervisor}
    assert len(members) == 1
    assert replace(record, boot="another").members() == []


def test_orphans_are_members_whose_parent_died() -> None:
    orphan = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    command = f'{sys.executable} -c "{orphan}"; exec sleep 60'
    with subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True) as started:
        supervisor = psutil.Process(started.pid)
        record = Record(supervisor.pid, ("60",))  # of what the shell turns into
        deadline = time.monotonic() + 20
        while not (found := record.orphans()) and time.monotonic() < deadline:
            time.sleep(0.05)
        try:
            assert [process.name()[:6] for process in found] == ["python"]
            assert pids(record.members()) == {supervisor.pid, *pids(found)}
        finally:
            processes.end([supervisor, *found], grace=1)


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


def test_a_lock_that_is_held_is_not_waited_for_if_so_wished(tmp_path: Path) -> None:
    with (
        processes.file_lock(tmp_path / "lock"),
        pytest.raises(processes.IsLocked),
        processes.file_lock(tmp_path / "lock", wait=False),
    ):
        pass

    with processes.file_lock(tmp_path / "lock", wait=False):
        assert (tmp_path / "lock").exists()


def test_a_lock_ends_with_an_error_inside(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), processes.file_lock(tmp_path / "lock"):
            raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []
