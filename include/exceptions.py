"""Every error that Millrace raises on purpose, sorted by what the caller should do.

    MillraceError
    ├── Transient            wait and retry: a network fault, a 5xx answer, a lock
    │   ├── Unavailable      a service does not answer; the message names its address
    │   └── Busy             a resource is in use; it may stay so for minutes
    ├── Absent               does not exist (yet): a sensor waits, a task fails
    ├── Misconfigured        fail at once: settings, connections, pipeline files
    │   ├── PipelineInvalid  a pipeline's files are invalid; carries every fault found
    │   └── Unauthorized     a service refused the credentials
    ├── BadData              fail at once: the data cannot be read or breaks the contract
    │   ├── FileMissing      the source has no file for a day
    │   ├── NotEnoughData    too few rows to train, evaluate or compare
    │   ├── ColumnMissing    a partition lacks a column that its reader needs
    │   ├── ChampionUnusable the champion cannot be loaded, or cannot score the rows of today
    │   └── MergeLostChange  the lake merged a branch without one of its changes
    ├── Conflict             another writer changed the same thing; run the step again from its start
    │   └── UncommittedChanges  a branch holds changes that somebody has to commit or reset first
    └── JobFailed            fail at once: the code of a model failed; the message names its line

Exceptions of libraries are mapped onto this tree where they are raised (lake client, registry, readers), so
callers catch only these classes. A message says what happened, the value (by `quote`), what is allowed and
what to do. It never contains values from the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from include.excerpt import excerpt, nearest, quote

_MAX_FAULTS = 50
_MAX_MESSAGE = 1000


class MillraceError(Exception):
    """Base class of every error that is raised on purpose."""


class Transient(MillraceError):
    """A failure that goes away by itself; retrying helps."""


class Unavailable(Transient):
    """A service does not answer."""


class Busy(Transient):
    """A resource is in use by others."""


class Absent(MillraceError):
    """Something does not exist, or does not exist yet."""


class Misconfigured(MillraceError):
    """Settings or files are wrong; retrying cannot help."""


class Unauthorized(Misconfigured):
    """A service refused the credentials."""


class BadData(MillraceError):
    """The data cannot be used; retrying cannot help."""


class FileMissing(BadData):
    """The source has no file where the contract says that there is one."""


class NotEnoughData(BadData):
    """Too few rows to train, evaluate or compare."""


class ColumnMissing(BadData):
    """A part of a table lacks columns; `fact` says which, without the remedy of a reader who expects them.

    `known` are the columns that the part has, `newest` those of the table's newest part, None if they could
    not be looked at: they tell whether the source has the column by now, or does not deliver it.
    """

    def __init__(
        self,
        part: str,
        ref: str,
        columns: Sequence[str],
        *,
        known: Sequence[str],
        newest: Sequence[str] | None,
    ) -> None:
        names, place = ", ".join(map(quote, columns)), f"{part!r} at {ref!r}"
        self.columns = tuple(columns)
        self.newest_has_them = newest is not None and set(columns) <= set(newest)
        self.fact = f"column {names} is missing in {place}"
        remedy = _INGEST_AGAIN if self.newest_has_them else _remedy(columns, known, newest)
        super().__init__(f"{place} has no column {names}{remedy}")


_INGEST_AGAIN = (
    ", which the newest partition has: run the pipeline's ingest for that day again, or, if the source has "
    "no such column for it, shorten training.window or monitoring.window until all days have it"
)


def _remedy(columns: Sequence[str], known: Sequence[str], newest: Sequence[str] | None) -> str:
    question = next((found for name in columns if (found := nearest(name, {*known, *(newest or ())}))), "")
    also = "" if newest is None else ", nor has the newest partition: the source does not deliver it"
    return (
        f"{also}; {question}correct the name in pipeline.yaml, or take it out; or let the source deliver "
        "it, and run the pipeline's ingest for these days again"
    )


class ChampionUnusable(BadData):
    """The champion has a fault of its own: `reason` is short, and holds no values of the data."""

    def __init__(self, version: int, what: str, reason: str) -> None:
        self.version = version
        self.reason = excerpt(" ".join(reason.split()))
        super().__init__(
            f"champion cannot {what}: {self.reason} (version {version}). Train a successor, which the gate "
            "judges without this champion, or give the alias 'champion' to another version"
        )


class MergeLostChange(BadData):
    """A merge of the lake does not hold a change of one of its sides."""


class Conflict(MillraceError):
    """Another writer changed the same thing in the meantime."""


class UncommittedChanges(Conflict):
    """A branch of the lake takes no merge while somebody's changes on it are not committed."""


class JobFailed(MillraceError):
    """The code of a model failed, or a job ended for a cause that is none of the above."""


class Stopped(SystemExit):
    """A job has to stop: it is not an error, and nothing that maps errors takes it for one."""


class Fault(NamedTuple):
    """One fault in a pipeline's file: the path of the key, and a message with the value and the remedy."""

    path: str
    message: str


class PipelineInvalid(Misconfigured):
    """A pipeline's files are invalid; `faults` holds every fault that was found.

    The message lists the first of them, without characters that a log or a database refuses.
    """

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = [Fault(excerpt(path), excerpt(message, _MAX_MESSAGE)) for path, message in faults]
        lines = [f"{excerpt(file, _MAX_MESSAGE)}: {len(faults)} fault(s)"]
        lines += [f"  {path}: {message}" for path, message in self.faults[:_MAX_FAULTS]]
        if len(faults) > _MAX_FAULTS:
            lines.append(f"  … and {len(faults) - _MAX_FAULTS} more")
        super().__init__("\n".join(lines))
