"""What one pipeline raises stays its own: nothing passes but the user's Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from include.contract.containment import contain
from include.exceptions import Fault, Misconfigured, PipelineInvalid

FILE = Path("orders/pipeline.yaml")


class Unwordable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def raised(error: BaseException) -> PipelineInvalid:
    def do() -> None:
        raise error

    found = contain(do, file=FILE, action="reading it")
    assert isinstance(found, PipelineInvalid)
    assert found.file == str(FILE)
    return found


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("day is out of range"), "reading it failed with ValueError: day is out of range at "),
        (SystemExit(3), "reading it failed with SystemExit: 3 at "),
        (RecursionError(), "reading it failed with RecursionError at "),
        (MemoryError(), "reading it failed with MemoryError at "),
        (asyncio.CancelledError(), "reading it failed with CancelledError at "),
        (BaseExceptionGroup("two", [SystemExit()]), "reading it failed with BaseExceptionGroup: two "),
        (Unwordable(), "reading it failed with Unwordable at "),
        (
            PermissionError(13, "Permission denied"),
            "reading it failed: Permission denied; correct it, or let Airflow's user read it",
        ),
        (Misconfigured("set MILLRACE_RUNTIME"), "set MILLRACE_RUNTIME"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_any_kind_becomes_a_fault_of_the_file(error: BaseException, message: str) -> None:
    [fault] = raised(error).faults
    assert fault.path == "file"
    assert fault.message.startswith(message)


def test_the_faults_of_a_pipeline_are_passed_on_as_they_are() -> None:
    error = PipelineInvalid(str(FILE), [Fault("line 3", "is not valid Python")])
    assert raised(error) is error


def test_a_user_can_interrupt() -> None:
    def do() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contain(do, file=FILE, action="reading it")


def test_a_message_is_short_and_quotes_no_secret() -> None:
    [fault] = raised(RuntimeError("postgres://me:hunter2@db refused password=hunter2 " + "x" * 10_000)).faults
    assert "hunter2" not in fault.message
    assert fault.message.count("x") < 200
