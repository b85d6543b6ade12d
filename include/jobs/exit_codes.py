"""How a job that runs alone says how it went: by its exit code, after sysexits.h, and one line of JSON."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

from include.exceptions import (
    Absent,
    BadData,
    Conflict,
    JobFailed,
    MillraceError,
    Misconfigured,
    Transient,
    Unavailable,
)


class Exit(IntEnum):
    """The exit codes of docs/job-contract.md."""

    DONE = 0
    BAD_SPEC = 64
    BAD_DATA = 65
    UNAVAILABLE = 69
    MODEL_FAILED = 70
    STOPPED = 143
    """By SIGTERM, or since its time was over: what the shell says of a process that SIGTERM ended."""


_CODES: tuple[tuple[tuple[type[MillraceError], ...], Exit], ...] = (
    ((Transient,), Exit.UNAVAILABLE),
    ((BadData, Absent, Conflict), Exit.BAD_DATA),
    ((Misconfigured,), Exit.BAD_SPEC),
)
_ERRORS: dict[int, type[MillraceError]] = {
    Exit.BAD_SPEC: Misconfigured,
    Exit.BAD_DATA: BadData,
    Exit.UNAVAILABLE: Unavailable,
}


def code_of(error: BaseException) -> Exit:
    """The exit code that stands for an error; what is not of include.exceptions is the model code's."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), Exit.MODEL_FAILED)


def error_of(code: int, message: str) -> MillraceError:
    """The error that an exit code stands for."""
    return _ERRORS.get(code, JobFailed)(message)


def last_json(lines: list[str]) -> dict[str, Any] | None:
    """The last line that is a JSON object: a job's result, or its error; None if there is none."""
    for line in reversed(lines):
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return None
