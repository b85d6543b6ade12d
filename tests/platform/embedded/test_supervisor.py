"""supervisord with small parts: they are started, restarted, given up and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from include.exceptions import Misconfigured, Unavailable
from include.platform.embedded import processes
from include.platform.embedded.__main__ import status, up
from include.platform.embedded.doctor import examine
from include.platform.embedded.processes import Record
from include.platform.embedded.stack import PARTS, Stack
from include.platform.embedded.supervisor import FATAL, KEEPER, Supervisor, read_procfile
from tests.support.stack import settings_in

STAYS = "echo started; exec sleep 600"
DIES = "echo 'cannot start'; exit 3"
LEAVES_A_CHILD = "sleep 600 & exec sleep 600"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Supervisor]]:
    """A function that starts a supervisor with parts, in a folder with a name that needs care."""
    var = tmp_path / "100% var"
    (var / "log").mkdir(parents=True)
    (var / "run").mkdir()
    supervisor, started = Supervisor(var), list[psutil.Process]()

    def spawn(commands: dict[str, str]) -> Supervisor:
        started.append(psutil.Process(supervisor.spawn(commands, os.environ)))
        wait_for(lambda: bool(states(supervisor)))
        return supervisor

    yield spawn
    for process in filter(psutil.Process.is_running, started):
        members = [process, *process.children(recursive=True)]
        process.terminate()
        processes.wait_until_gone(process, 10)
        processes.end(members, grace=1)
    supervisor.remove()
    assert list((var / "run").iterdir()) == []


def states(supervisor: Supervisor) -> dict[str, str]:
    try:
        return {name: part.state for name, part in supervisor.parts().items()}
    except Unavailable:
        return {}


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_part_that_dies_is_started_again(start: Callable[[dict[str, str]], Supervisor]) -> None:
    supervisor = start({"stays": STAYS})
    wait_for(lambda: states(supervisor) == {"stays": "RUNNING"})
    first = supervisor.parts()["stays"]

    psutil.Process(first.pid).kill()

    wait_for(lambda: states(supervisor) == {"stays": "RUNNING"} and supervisor.parts()["stays"] != first)
    assert supervisor.parts()["stays"].seconds < 30
    assert (supervisor.var / "log/stays.log").read_text() == "started\n" * 2


def test_a_part_that_cannot_start_is_given_up_and_harms_no_other(
    start: Callable[[dict[str, str]], Supervisor],
) -> None:
    supervisor = start({"dies": DIES, "stays": STAYS})

    wait_for(lambda: states(supervisor)["dies"] == FATAL)

    assert (supervisor.var / "log/dies.log").read_text() == "cannot start\n" * 4
    assert supervisor.parts()["stays"].is_running


def test_a_stopped_part_stays_stopped_until_it_is_started(
    start: Callable[[dict[str, str]], Supervisor],
) -> None:
    supervisor = start({"stays": LEAVES_A_CHILD})
    wait_for(lambda: bool(supervisor.parts()["stays"].pid))
    family = psutil.Process(supervisor.parts()["stays"].pid)
    wait_for(lambda: bool(family.children()))
    child = family.children()[0]

    supervisor.stop("stays")
    supervisor.stop("stays")

    assert states(supervisor) == {"stays": "STOPPED"}
    assert processes.wait_until_gone(child, 5)
    supervisor.start("stays")
    supervisor.start("stays")
    assert states(supervisor) == {"stays": "STARTING"}


def test_a_suspended_part_is_restarted(start: Callable[[dict[str, str]], Supervisor]) -> None:
    supervisor = start({"stays": STAYS})
    wait_for(lambda: bool(supervisor.parts()["stays"].pid))
    before = psutil.Process(supervisor.parts()["stays"].pid)
    before.suspend()

    supervisor.restart("stays")

    assert not before.is_running()
    assert supervisor.parts()["stays"].pid != before.pid


def test_its_socket_is_its_users_only(start: Callable[[dict[str, str]], Supervisor]) -> None:
    supervisor = start({"stays": STAYS})

    (file,) = supervisor.socket.parent.glob("*.sock")

    assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o600, os.geteuid())


def test_without_a_supervisor_a_call_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"the supervisor does not answer at .*supervisor\.sock"):
        Supervisor(tmp_path).parts()


def test_an_unknown_part_is_refused(start: Callable[[dict[str, str]], Supervisor]) -> None:
    supervisor = start({"stays": STAYS})

    with pytest.raises(Unavailable, match=r"the supervisor refused .*'other'.*BAD_NAME"):
        supervisor.start("other")


def test_the_procfile_has_a_command_for_each_part() -> None:
    commands = read_procfile()

    assert KEEPER in commands
    assert all(command.split()[0] in ("exec", "if") for command in commands.values())


@pytest.mark.parametrize(
    ("parts", "difference"),
    [
        ([*PARTS[1:-1], KEEPER, "web"], "lacks triggerer and has web"),
        ([*PARTS[1:-1], KEEPER], "lacks triggerer"),
        ([*PARTS[1:], KEEPER, "web"], "has web"),
    ],
    ids=["renamed", "lacking", "beside"],
)
def test_a_stack_with_the_parts_of_another_version_says_so(
    start: Callable[[dict[str, str]], Supervisor],
    capsys: pytest.CaptureFixture[str],
    parts: list[str],
    difference: str,
) -> None:
    supervisor = start(dict.fromkeys(parts, STAYS))
    stack = Stack(settings_in(supervisor.var))
    wait_for(lambda: len(processes.started_with(supervisor.arguments)) == 1)  # a fork is one until its exec
    [found] = processes.started_with(supervisor.arguments)
    record = Record(found.pid, supervisor.arguments, ports=stack._ports, runtime="process")
    record.write(stack._record_file)
    try:
        for verb in (status, up):
            with pytest.raises(Misconfigured) as caught:
                verb(stack)
            assert str(caught.value) == (
                f"another version of Millrace started this stack, which {difference}; run `make down up`, "
                "which starts the parts of this version and keeps the data"
            )
        assert "triggerer" in capsys.readouterr().out  # the table is shown before
    finally:
        stack._record_file.unlink()


def test_nothing_is_left_of_a_supervisor_of_which_nothing_is_recorded(
    start: Callable[[dict[str, str]], Supervisor],
) -> None:
    """Its parts must not end first: it would start them again, and be killed before it could end them."""
    supervisor = start({f"part-{number}": STAYS for number in range(12)})
    wait_for(lambda: set(states(supervisor).values()) == {"RUNNING"})
    [found] = processes.started_with(supervisor.arguments)
    record = Record(found.pid, supervisor.arguments)
    assert len(record.members()) == 13

    stack = Stack(settings_in(supervisor.var))
    assert {process.pid for process in stack.members()} == {process.pid for process in record.members()}
    assert "none is recorded, but 13 processes of the stack run" in [one.found for one in examine(stack)]

    stack._clear(None)

    assert record.members() == []
