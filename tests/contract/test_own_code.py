"""What happens to an error of a pipeline's own code: mapped, passed on, or tried again."""

from __future__ import annotations

import errno
import io
import signal
import socket
import ssl
import urllib.error
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import InvalidURL, JSONDecodeError

from include.contract import code
from include.contract.own_code import own_code
from include.exceptions import (
    BadData,
    JobFailed,
    MillraceError,
    Misconfigured,
    Stopped,
    Transient,
    Unavailable,
)

REMEDY = "correct it"


def called(folder: Path, body: str, **given: Any) -> None:
    """Run a function with this body, from a file of the folder."""
    folder.mkdir()
    (folder / "model.py").write_text(f"def build(error):\n    {body}\n")
    function = code.load_function(folder, "model.py", "build")
    error = given.pop("error", None)
    with own_code("build", folder, remedy=REMEDY, **given):
        function(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "no"),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        socket.gaierror(-3, "name"),
        ssl.SSLError(1, "x"),
        urllib.error.URLError("x"),
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EHOSTUNREACH, "x"),
        BlockingIOError(errno.EAGAIN, "x"),
        BrokenProcessPool("x"),  # as of a worker of joblib that was killed
    ],
    ids=repr,
)
def test_an_error_of_the_network_or_the_machine_stays_transient(tmp_path: Path, error: Exception) -> None:
    message = r"^build failed with \w+ at .*/of_network/model\.py:2 in 'build': .*; it is tried again\n"
    with pytest.raises(Transient, match=message):
        called(tmp_path / "of_network", "raise error", error=error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "x"),
        PermissionError(13, "x"),
        IsADirectoryError(21, "x"),
        OSError("corrupt"),
        io.UnsupportedOperation("not writable"),
        InvalidURL("x"),
        JSONDecodeError("x", "y", 0),
    ],
    ids=repr,
)
def test_a_wrong_path_value_or_damaged_file_fails_at_once(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(JobFailed, match=r"; correct it\n"):
        called(tmp_path / "of_path", "raise error", error=error)


@pytest.mark.parametrize("error", [Unavailable("x"), BadData("y"), Misconfigured("z")], ids=repr)
def test_an_error_of_the_project_is_passed_on(tmp_path: Path, error: MillraceError) -> None:
    with pytest.raises(type(error)) as caught:
        called(tmp_path / "of_project", "raise error", error=error)
    assert caught.value is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), Stopped(143)], ids=repr)
def test_what_ends_a_task_passes(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        called(tmp_path / "of_end", "raise error", error=error)
    assert caught.value is error


class TimeLimit(BaseException):
    """As Airflow's, which is not an Exception either."""


@pytest.fixture
def alarm() -> Iterator[None]:
    def end(_number: int, _frame: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, end)
    yield
    signal.signal(signal.SIGALRM, before)


def test_a_time_limit_that_strikes_within_the_code_passes(tmp_path: Path, alarm: None) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(TimeLimit):
        called(tmp_path / "of_limit", "while True: pass")


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "raise SystemExit(143)", "raise BaseException"])
def test_code_that_ends_the_process_is_reported(tmp_path: Path, end: str) -> None:
    with pytest.raises(JobFailed, match=r"build failed with \w+ at .*:2 in 'build'; correct it"):
        called(tmp_path / "of_exit", end)


def test_the_frames_follow_without_the_message_and_without_a_cause(tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as caught:
        called(tmp_path / "of_frames", "raise ValueError(f'secret {error}')", error="value")
    [note] = caught.value.__notes__
    assert "model.py\", line 2, in build\n    raise ValueError(f'secret {error}')" in note
    assert "secret value" not in note
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_frames_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as caught:
        called(tmp_path / "of_depth", "build(error)")
    assert len("".join(caught.value.__notes__)) < 5000


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("raise ValueError('depth has to be positive')", "ValueError ('depth has to be positive') at "),
        ("raise ValueError('depth' + error)", "ValueError at "),
        ("raise KeyError(error)", "KeyError at "),
        ("{}['depth']", "KeyError ('depth') at "),
        ("import no_such_module", "ModuleNotFoundError ('no_such_module') at "),
        ("no_such_name", "NameError ('no_such_name') at "),
        ("error.no_such", "AttributeError ('no_such') at "),
    ],
)
def test_a_text_is_repeated_only_if_the_code_holds_it(tmp_path: Path, body: str, shown: str) -> None:
    with pytest.raises(JobFailed) as caught:
        called(tmp_path / "of_text", body, error="secret")
    assert str(caught.value).startswith(f"build failed with {shown}")
    assert "secret" not in str(caught.value)


def test_a_stopped_job_is_left_with_its_exit_code() -> None:
    assert Stopped(143).code == 143
    assert isinstance(Stopped(143), SystemExit)
    assert not isinstance(Stopped(143), MillraceError)
