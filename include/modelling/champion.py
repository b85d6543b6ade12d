"""The champion and its faults: what is wrong with the model itself, apart from what is wrong with a service.

A champion that cannot be loaded, or cannot score the rows of today, must neither stop its successor nor be
reported as bad data. A service that is away says nothing about the champion: that stays what it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from include.exceptions import (
    Absent,
    BadData,
    ChampionUnusable,
    ColumnMissing,
    MillraceError,
    Misconfigured,
    PipelineInvalid,
    Transient,
    Unauthorized,
)
from include.excerpt import describe
from include.modelling.scorer import Scorer

log = logging.getLogger(__name__)

_STORED = (Absent, BadData, Misconfigured, ImportError)
"""What the lookup of a stored model raises for the model; an error of no known kind may be a service's."""
_NEVER = (ChampionUnusable, Transient, Unauthorized, PipelineInvalid, OSError, MemoryError)
"""Faults of services, of the machine, of the pipeline's files; and a fault that is reported already."""


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version that is champion, and how its model is loaded."""

    version: int
    load: Callable[[], Scorer]


@contextmanager
def faults_of(version: int, action: str, kinds: tuple[type[Exception], ...] = _STORED) -> Iterator[None]:
    """Raise ChampionUnusable for errors of these kinds; "champion cannot <action>" begins its message.

    Give `(Exception,)` where nothing but the model's own code runs, which may raise anything.
    """
    try:
        yield
    except _NEVER:
        raise
    except kinds as error:
        raise ChampionUnusable(version, action, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ColumnMissing):
        return error.fact
    if isinstance(error, MillraceError):
        return str(error)
    if isinstance(error, ImportError):
        return describe(error)
    # Its message may quote values of the data, which the ledger would keep for ever.
    log.warning("the model's own code raised", exc_info=error)
    return f"its model raised {type(error).__name__}; the log of the task has the traceback"
