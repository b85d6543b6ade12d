"""Read a text file of a pipeline: a regular file of bounded size, in UTF-8."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from include.exceptions import Fault, PipelineInvalid

MAX_BYTES = 2**20
"""The largest contract, suite or module of a pipeline."""


def read_text(file: Path) -> str:
    """Return the text of a file; raises PipelineInvalid if it cannot be read, or is larger than MAX_BYTES."""
    try:
        return _read(file).decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"not readable as UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise _fault(file, f"{problem}; save it as UTF-8") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _fault(file, f"cannot be read: {reason}; correct it, or let Airflow's user read it") from error


def _read(file: Path) -> bytes:
    # Without O_NONBLOCK the open of a named pipe would wait for somebody who writes to it.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise _fault(file, f"is {kind}; put a file there")
        with os.fdopen(os.dup(descriptor), "rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        size = max(status.st_size, len(content))
        raise _fault(file, f"has {size:,} bytes, the limit is {MAX_BYTES:,}; shorten it")
    return content


def _fault(file: Path, message: str) -> PipelineInvalid:
    return PipelineInvalid(str(file), [Fault("file", message)])
