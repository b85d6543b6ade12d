"""Types that several sections of the contract share: durations, schedules, names, metrics."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

_CENTURY = timedelta(days=36_525)


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _parse_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if re.fullmatch(r"[1-9][0-9]{0,6}[smhdw]", text):
        return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    raise ValueError(
        f"{value!r} is not a valid duration; write a whole number and s, m, h, d or w, such as '90d'"
    )


def check_timezone(value: str) -> str:
    """Return the name of a time zone; raises ValueError if it is unknown."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{value!r} is not a time zone; write an IANA name such as 'Europe/Berlin'"
        ) from error
    return value


def _check_cron(value: str) -> str:
    from croniter import CroniterBadDateError, croniter

    if not croniter.is_valid(value):
        raise ValueError(
            f"{value!r} is not a cron expression; write five fields or a preset such as '@daily'"
        )
    try:
        croniter(value).get_next()
    except CroniterBadDateError as error:
        raise ValueError(f"{value!r} is never due; write a date that exists") from error
    return value


def _whole_days(value: timedelta) -> timedelta:
    if value % timedelta(days=1):
        raise ValueError(f"{value} is not a whole number of days; partitions are days")
    if value > _CENTURY:
        raise ValueError(f"{value.days} days are more than {_CENTURY.days}")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,6}[smhdw]$", "examples": ["90d", "1h"]}),
]


Days = Annotated[Duration, AfterValidator(_whole_days)]


Cron = Annotated[str, AfterValidator(_check_cron)]


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


Label = Annotated[str, Field(min_length=1, max_length=100)]


Share = Annotated[float, Field(ge=0, le=1)]


ImportPath = Annotated[
    str, Field(pattern=r"^[\w.]+:\w+$", examples=["include.pipelines.flights.source:read"])
]


class Section(BaseModel):
    """A part of the contract: frozen, and closed against unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(StrEnum):
    """A model metric; names are scikit-learn's."""

    ROC_AUC = "roc_auc"
    AVERAGE_PRECISION = "average_precision"
    NEG_LOG_LOSS = "neg_log_loss"
    NEG_BRIER_SCORE = "neg_brier_score"
