"""The keeper restarts what supervisord does not, and waits where a part may become healthy by itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from include.exceptions import Unavailable
from include.platform.embedded.deaths import Deaths
from include.platform.embedded.keeper import HANG_SECONDS, START_SECONDS, Keeper
from include.platform.embedded.stack import Stack
from include.platform.embedded.supervisor import Part
from tests.support import lifeline

TICK: tuple[str, dict[str, str]] = ("TICK_5", {"when": "0"})


@dataclass
class FakeStack:
    """A stack with one part, the lake, of which a test sets the state."""

    deaths: Deaths
    part: Part = field(default_factory=lambda: Part("lake", "RUNNING", 7, time.time()))
    state: str = "healthy"
    done: list[str] = field(default_factory=list)
    left: list[psutil.Process] = field(default_factory=list)
    is_full: bool = False

    @property
    def supervisor(self) -> FakeStack:
        return self

    def parts(self) -> dict[str, Part]:
        return {"lake": self.part}

    def health(self) -> dict[str, str]:
        return {"lake": self.state}

    def start_database(self) -> None:
        self.done.append("look at the database")
        if self.is_full:
            raise Unavailable("No space left on device")

    def orphans(self) -> list[psutil.Process]:
        return self.left

    def start(self, part: str) -> None:
        self.done.append(f"start {part}")

    def restart(self, part: str) -> None:
        self.done.append(f"restart {part}")
        self.part = replace(self.part, pid=self.part.pid + 1)


@pytest.fixture
def stack(tmp_path: Path) -> FakeStack:
    """A healthy stack."""
    return FakeStack(Deaths(tmp_path / "deaths.json"))


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch, stack: FakeStack) -> Callable[[float], list[str]]:
    """A function that lets time pass, with a tick every five seconds, and returns what was done."""
    now, kept = [1000.0], Keeper(cast(Stack, stack))
    monkeypatch.setattr("include.platform.embedded.keeper.time.monotonic", lambda: now[0])

    def pass_(seconds: float) -> list[str]:
        stack.done.clear()
        for _ in range(int(seconds // 5)):
            now[0] += 5
            kept.handle(*TICK)
        return [done for done in stack.done if done != "look at the database"]

    return pass_


def test_a_healthy_part_is_left_alone(stack: FakeStack, pass_time: Callable[[float], list[str]]) -> None:
    assert pass_time(2 * START_SECONDS) == []
    assert stack.done.count("look at the database") == 2 * START_SECONDS // 5


def test_a_part_that_hangs_is_restarted_after_a_while(
    stack: FakeStack, pass_time: Callable[[float], list[str]]
) -> None:
    pass_time(60)
    stack.state = "does not answer"

    assert pass_time(HANG_SECONDS - 5) == []
    assert pass_time(60) == ["restart lake"]


def test_a_part_that_becomes_healthy_again_in_time_is_not_restarted(
    stack: FakeStack, pass_time: Callable[[float], list[str]]
) -> None:
    pass_time(60)
    for state in ["does not answer", "healthy"] * 3:
        stack.state = state
        assert pass_time(HANG_SECONDS - 35) == []


def test_a_part_that_was_never_healthy_has_longer(
    stack: FakeStack, pass_time: Callable[[float], list[str]]
) -> None:
    stack.state = "does not answer"

    assert pass_time(START_SECONDS - 5) == []
    assert pass_time(60) == ["restart lake"]


def test_a_new_process_has_the_time_of_a_start(
    stack: FakeStack, pass_time: Callable[[float], list[str]]
) -> None:
    pass_time(60)
    stack.state, stack.part = "does not answer", replace(stack.part, pid=8)

    assert pass_time(HANG_SECONDS + 60) == []


def test_a_part_that_supervisord_gave_up_is_started_twice_a_minute(
    stack: FakeStack, pass_time: Callable[[float], list[str]]
) -> None:
    stack.part = replace(stack.part, state="FATAL", pid=0)

    assert pass_time(300) == ["start lake"] * 10


def test_a_part_that_somebody_stopped_stays_stopped(
    stack: FakeStack, pass_time: Callable[[float], list[str]]
) -> None:
    stack.part = replace(stack.part, state="STOPPED", pid=0)

    assert pass_time(START_SECONDS + 60) == []


def test_a_death_is_counted_and_what_it_left_is_killed(stack: FakeStack) -> None:
    child = lifeline.start([sys.executable, "-c", "import time; time.sleep(60)"])
    stack.left = [psutil.Process(child.pid)]

    Keeper(cast(Stack, stack)).handle("PROCESS_STATE_EXITED", {"processname": "lake"})

    assert child.wait(10) < 0
    assert stack.deaths.read()["lake"][0] == 1


def test_a_step_that_fails_keeps_no_other_from_being_done(stack: FakeStack) -> None:
    stack.is_full, stack.part = True, replace(stack.part, state="FATAL", pid=0)

    Keeper(cast(Stack, stack)).handle(*TICK)

    assert stack.done == ["look at the database", "start lake"]


def test_deaths_are_counted_by_part(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path / "deaths.json")
    assert deaths.read() == {}
    for part in ("lake", "mlflow", "lake"):
        deaths.add(part)

    assert {part: number for part, (number, _) in deaths.read().items()} == {"lake": 2, "mlflow": 1}
    assert all(time.time() - 60 < last <= time.time() for _, last in deaths.read().values())


def test_a_death_that_cannot_be_counted_stops_nothing(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path / "no folder" / "deaths.json")

    deaths.add("lake")

    assert deaths.read() == {}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"lake": 1}', '{"lake": ["a", "b"]}'])
def test_a_torn_file_counts_nothing(tmp_path: Path, content: Any) -> None:
    (tmp_path / "deaths.json").write_text(content)

    assert Deaths(tmp_path / "deaths.json").read() == {}
