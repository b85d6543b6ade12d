"""Types that several sections of the contract share: durations, days, schedules, metrics."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    WithJsonSchema,
)

from include.contract.text import Text
from include.excerpt import quote

_CENTURY = timedelta(days=36_525)

_LONGEST = timedelta(days=366)
"""Of time limits. Kubernetes holds 2**31 seconds, Airflow adds them to the time of day in a `datetime`."""

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""pandas holds nanoseconds, from 1677 to 2262: these days, and windows of a century before them, fit."""

CRON_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
"""Airflow's (`airflow.utils.dates.cron_presets`), as five fields; croniter knows others."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _parse_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,6}[smhdw]", value):
        return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})
    raise ValueError(
        f"{quote(value)} is not a valid duration; write a whole number and s, m, h, d or w, such as '90d'"
    )


def written(value: timedelta) -> str:
    """Return a duration as a contract writes it, in its largest unit up to days that leaves no rest."""
    units = [(unit, timedelta(**{name: 1})) for unit, name in _UNITS.items() if unit != "w"]
    unit, one = next((unit, one) for unit, one in reversed(units) if not value % one)
    return f"{value // one}{unit}"


def _time_limit(value: timedelta) -> timedelta:
    if value > _LONGEST:
        raise ValueError(f"'{value.days}d' is longer than {_LONGEST.days} days; write a shorter duration")
    return value


def _whole_days(value: timedelta) -> timedelta:
    if value % timedelta(days=1):
        raise ValueError(f"{value} is not a whole number of days; write days, such as '7d'")
    if value > _CENTURY:
        raise ValueError(f"{value.days} days are more than {_CENTURY.days}")
    return value


def _parse_day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value)
    except ValueError:
        pass  # such as 30 February
    raise ValueError(f"{quote(value)} is not a day; write it as 2024-03-31")


def check_day(value: date) -> date:
    """Return the day; raises ValueError outside of `FIRST_DAY` to `LAST_DAY`."""
    if not FIRST_DAY <= value <= LAST_DAY:
        raise ValueError(
            f"{value} is outside of {FIRST_DAY} to {LAST_DAY}; write a day between these, both included"
        )
    return value


def check_timezone(value: str) -> str:
    """Return the name of a time zone; raises ValueError if it is unknown."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{quote(value)} is not a time zone; write an IANA name such as 'Europe/Berlin'"
        ) from error
    return value


def cron_fields(cron: str) -> str:
    """Return the five fields of a cron expression or preset."""
    return CRON_PRESETS.get(cron, cron)


def _check_cron(value: str) -> str:
    from croniter import CroniterBadDateError, croniter

    cron = cron_fields(value)
    # croniter takes a sixth and a seventh field as seconds and years, and R as another time in each process.
    if len(cron.split()) != 5 or re.search(r"\b[rR]\b", cron) or not croniter.is_valid(cron):
        raise ValueError(
            f"{quote(value)} is not a cron expression; write five fields or a preset such as '@daily'"
        )
    try:
        croniter(cron).get_next()
    except CroniterBadDateError as error:
        raise ValueError(f"{quote(value)} is never due; write a date that exists") from error
    return value


def _check_once_a_day(value: str) -> str:
    from croniter import croniter

    minutes, hours = croniter(cron_fields(value)).expanded[:2]
    if "*" in (*minutes, *hours) or len(minutes) * len(hours) > 1:
        raise ValueError(
            f"{quote(value)} is due more than once a day, and a run brings whole days; "
            "write one time of day, such as '30 1 * * *'"
        )
    return value


_DURATION_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": "^[1-9][0-9]{0,6}[smhdw]$", "examples": ["90d", "1h"]}
)

Duration = Annotated[timedelta, BeforeValidator(_parse_duration), _DURATION_SCHEMA]

TimeLimit = Annotated[Duration, AfterValidator(_time_limit)]

Days = Annotated[Duration, AfterValidator(_whole_days)]

YearOfDays = Annotated[TimeLimit, AfterValidator(_whole_days)]
"""At most a year: what is read again with every run."""

Day = Annotated[date, BeforeValidator(_parse_day), AfterValidator(check_day)]

TimeZone = Annotated[str, AfterValidator(check_timezone)]

Cron = Annotated[str, Text(100, min_length=0), AfterValidator(_check_cron)]
"""Airflow keeps a cron in words, in 1,000 characters; 100 of a cron never become as many."""

DailyCron = Annotated[Cron, AfterValidator(_check_once_a_day)]
"""Of runs that are for whole days: more of them would be for the same day."""


class Section(BaseModel):
    """A part of the contract: frozen, closed against unknown keys, and of finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Metric(StrEnum):
    """A model metric; names are scikit-learn's."""

    ROC_AUC = "roc_auc"
    AVERAGE_PRECISION = "average_precision"
    NEG_LOG_LOSS = "neg_log_loss"
    NEG_BRIER_SCORE = "neg_brier_score"

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value; scikit-learn clips probabilities, and no log loss reaches 100."""
        return _RANGES.get(self, (0, 1))


_RANGES = {Metric.NEG_LOG_LOSS: (-100, 0), Metric.NEG_BRIER_SCORE: (-1, 0)}
