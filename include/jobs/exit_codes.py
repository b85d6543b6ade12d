"""Exit codes of a job, after sysexits.h, and the errors that they stand for."""

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
    """By SIGTERM, or after its time limit: the code that a shell reports for a process ended by SIGTERM."""


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
    """Return the exit code for an error; any error outside include.exceptions is one of the model code."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), Exit.MODEL_FAILED)


def error_of(code: int, message: str) -> MillraceError:
    """Return the error that an exit code stands for."""
    return _ERRORS.get(code, JobFailed)(message)


def last_json(lines: list[str]) -> dict[str, Any] | None:
    """Return the last line that is a JSON object: a job's result or its error; None if there is none."""
    for line in reversed(lines):
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return None
