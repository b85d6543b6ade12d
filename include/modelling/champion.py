"""The champion and its faults: what is wrong with the model itself, apart from what is wrong with a service.

A champion that cannot be loaded, or cannot score the rows of today, must neither stop its successor nor be
reported as bad data. A service that is away says nothing about the champion: that stays what it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from include.contract.own_code import frames
from include.exceptions import (
    Absent,
    BadData,
    ChampionUnusable,
    ColumnMissing,
    MillraceError,
    Misconfigured,
    PipelineInvalid,
    Stopped,
    Transient,
    Unauthorized,
)
from include.excerpt import describe
from include.modelling.scorer import Scorer

log = logging.getLogger(__name__)

_STORED = (Absent, BadData, Misconfigured, ImportError)
"""What the lookup of a stored model raises for the model; an error of no known kind may be a service's."""
_NEVER = (
    *(ChampionUnusable, Transient, Unauthorized, PipelineInvalid),
    *(OSError, MemoryError, BrokenExecutor, Stopped),
)
"""Faults of services, of the machine, of the pipeline's files; and a fault that is reported already."""


ANY = (Exception, SystemExit)
"""What the code of a model may raise."""


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version that is champion, and how its model is loaded."""

    version: int
    load: Callable[[], Scorer]


@contextmanager
def faults_of(version: int, action: str, kinds: tuple[type[BaseException], ...] = _STORED) -> Iterator[None]:
    """Raise ChampionUnusable for errors of these kinds; "champion cannot <action>" begins its message.

    Give `ANY` where nothing but the model's own code runs, which may raise anything.
    """
    try:
        yield
    except _NEVER:
        raise
    except kinds as error:
        known = error if isinstance(error, MillraceError) else None  # the message of others may quote rows
        raise ChampionUnusable(version, action, _reason(error)) from known


def _reason(error: BaseException) -> str:
    if isinstance(error, ColumnMissing):
        return error.fact
    if isinstance(error, MillraceError):
        return str(error)
    if isinstance(error, ImportError):
        return describe(error)
    # Its message may quote values of the data, which the ledger would keep for ever.
    log.warning("the model's own code raised %s. %s", type(error).__name__, frames(error))
    return f"its model raised {type(error).__name__}; the log of the task has its frames"
