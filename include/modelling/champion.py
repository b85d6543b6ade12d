"""The champion and its faults: what is wrong with the model itself, apart from what is wrong with a service.

A champion that cannot be loaded, or cannot score the rows of today, must neither stop its successor nor be
reported as bad data. A service that is away says nothing about the champion: that stays what it is. Nor do
rows that a successor could not use either: those are bad data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.contract.model import Features, Model
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
from include.modelling import features
from include.modelling.scorer import Scorer

if TYPE_CHECKING:
    import pandas as pd

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
def columns_for(version: int, model: Model) -> Iterator[None]:
    """Raise ChampionUnusable for a missing column, unless that is a fault of the rows or of the contract.

    `model` is the contract's. It is a fault of the rows if a successor needs the column, too, and the newest
    partition has it.
    """
    try:
        yield
    except ColumnMissing as error:
        missing = set(error.columns)
        if model.time in missing or (error.newest_has_them and missing <= set(model.features.all)):
            raise
        raise ChampionUnusable(version, "score", error.fact) from error


def matrix_for(version: int, champion: Scorer, rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the features of some rows as the champion takes them.

    `model` is the contract's. Raises BadData for values that a successor could not use either, else
    ChampionUnusable.
    """
    try:
        return champion.matrix(rows)
    except BadData as error:
        features.matrix(rows, _shared(champion.model, model))
        raise ChampionUnusable(version, "score", str(error)) from error


def _shared(champion: Model, model: Model) -> Model:
    """Return a model with the features that both have, in the same role."""
    shared = {
        role: [name for name in getattr(champion.features, role) if name in getattr(model.features, role)]
        for role in Features.model_fields
    }
    return model.model_copy(update={"features": Features(**shared)})


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
