"""Every error that Millrace raises on purpose, sorted by what its receiver should do.

    MillraceError
    ├── Transient            wait and retry: a network fault, a 5xx answer, a lock
    │   ├── Unavailable      a service does not answer; the message names its address
    │   └── Busy             others have to be done first, which takes minutes
    ├── Absent               not there (yet): a sensor waits, a task fails
    ├── Misconfigured        fail at once: settings, connections, pipeline files
    │   ├── PipelineInvalid  a pipeline's file breaks its contract; carries every fault found
    │   └── Unauthorized     a service refused the credentials
    ├── BadData              fail at once: the data cannot be read or breaks the contract
    │   └── NotEnoughData    too few rows to train, to judge or to compare
    ├── Conflict             somebody else changed the same thing; run the step again from its start
    └── JobFailed            model code failed in a container; its log has the traceback

Foreign exceptions are mapped onto this tree at the edge where they appear (lake client, registry,
readers), so a caller catches these classes only. Messages say what happened, the value, what is
allowed and what to do; they never hold values of the data.
"""

from __future__ import annotations

from typing import NamedTuple


class MillraceError(Exception):
    """Base of every error raised on purpose."""


class Transient(MillraceError):
    """A fault that goes away by itself."""


class Unavailable(Transient):
    """A service does not answer."""


class Busy(Transient):
    """What is needed is in use by others."""


class Absent(MillraceError):
    """The thing asked for is not there."""


class Misconfigured(MillraceError):
    """Settings or files are wrong; retrying cannot help."""


class Unauthorized(Misconfigured):
    """A service refused the credentials."""


class BadData(MillraceError):
    """The data cannot be used; retrying cannot help."""


class NotEnoughData(BadData):
    """Too few rows for the work asked for."""


class Conflict(MillraceError):
    """Somebody else changed the same thing in the meantime."""


class JobFailed(MillraceError):
    """Model code ended a container with an error that is none of the above."""


class Fault(NamedTuple):
    """One thing wrong in a pipeline's file: the key's path, what was found, what to do."""

    path: str
    message: str


class PipelineInvalid(Misconfigured):
    """A pipeline's files break their contract; `faults` holds every one that was found."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = faults
        lines = [f"{file}: {len(faults)} fault(s)", *(f"  {path}: {message}" for path, message in faults)]
        super().__init__("\n".join(lines))
