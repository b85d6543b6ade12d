"""Wrong parameters of a run, as the REST API and the form take them (`conf`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import ParamValidationError

from include.exceptions import Misconfigured
from include.modelling.training import _with_params
from millrace.dags.params import INTERVAL_PARAMS, TRAIN_PARAMS, refuse_unknown
from millrace.run import days
from tests.wrong_inputs.model_code import model
from tests.wrong_inputs.table import rows


def unknown(**conf: Any) -> Callable[[Path], object]:
    return lambda _: refuse_unknown(conf, TRAIN_PARAMS)


def of_ingest(**conf: Any) -> Callable[[Path], object]:
    return lambda _: refuse_unknown(conf, INTERVAL_PARAMS)


def train(name: str, value: Any) -> Callable[[Path], object]:
    """The value as Airflow checks it before a run is made."""
    return lambda _: Param.resolve(TRAIN_PARAMS[name], value)


def interval(name: str, value: Any) -> Callable[[Path], object]:
    return lambda _: Param.resolve(INTERVAL_PARAMS[name], value)


def range_of(**given: Any) -> Callable[[Path], object]:
    run = SimpleNamespace(
        run_type="manual",
        logical_date=None,
        data_interval_start=None,
        data_interval_end=None,
        run_after=datetime(2024, 3, 31, tzinfo=UTC),
    )
    return lambda _: days({"params": given, "dag_run": run}, "UTC", "@daily", max_days=400)


def to_build(**params: Any) -> Callable[[Path], object]:
    return lambda _: _with_params(model(C=1), params)


REFUSED = "Failed validating"
NO_PARAM = "conf: this DAG has no parameter "

WRONG = [
    *rows(
        "conf",
        (
            "a typing error",
            unknown(unitl="2024-03-01"),
            Misconfigured,
            f"{NO_PARAM}'unitl' (did you mean 'until'?)",
        ),
        ("another case", unknown(Until="2024-03-01"), Misconfigured, f"{NO_PARAM}'Until'"),
        ("nothing near", unknown(zzz=1), Misconfigured, f"{NO_PARAM}'zzz'; start the run again with some of"),
        ("of another stage", unknown(start="2024-03-01"), Misconfigured, f"{NO_PARAM}'start'"),
        ("of training", of_ingest(until="2024-03-01"), Misconfigured, "some of: start, end"),
        ("many", unknown(**{f"k{n}": n for n in range(500)}), Misconfigured, "'k9'"),
        ("long", unknown(**{"k" * 5000: 1}), Misconfigured, "kkk"),
        ("empty", unknown(**{"": 1}), Misconfigured, f"{NO_PARAM}''"),
        ("a space", unknown(**{"until ": 1}), Misconfigured, f"{NO_PARAM}'until '"),
        ("a line break", unknown(**{"un\ntil": 1}), Misconfigured, NO_PARAM),
    ),
    *rows(
        "day",
        ("a word", interval("start", "yesterday"), ParamValidationError, REFUSED),
        ("no hyphens", interval("start", "20240301"), ParamValidationError, REFUSED),
        ("one digit", interval("start", "2024-3-1"), ParamValidationError, REFUSED),
        ("not in the calendar", interval("start", "2024-02-30"), ParamValidationError, REFUSED),
        ("a time", interval("end", "2024-03-01T00:00:00"), ParamValidationError, REFUSED),
        ("a century ago", interval("end", "1824-03-01"), ParamValidationError, REFUSED),
        ("far ahead", interval("end", "2924-03-01"), ParamValidationError, REFUSED),
        ("a number", interval("start", 20240301), ParamValidationError, REFUSED),
        ("truth", interval("start", True), ParamValidationError, REFUSED),
        ("a list", interval("start", ["2024-03-01"]), ParamValidationError, REFUSED),
        ("a mapping", interval("start", {"day": 1}), ParamValidationError, REFUSED),
        ("empty", interval("start", ""), ParamValidationError, REFUSED),
        ("a line break", interval("start", "2024-03-01\n"), ParamValidationError, REFUSED),
        ("a template", interval("start", "{{ ds }}"), ParamValidationError, REFUSED),
        ("until", train("until", "2024-13-01"), ParamValidationError, REFUSED),
        (
            "start after end",
            range_of(start="2024-03-02", end="2024-03-01"),
            Misconfigured,
            "set the earlier day",
        ),
        (
            "too many days",
            range_of(start="2020-01-01", end="2024-01-01"),
            Misconfigured,
            "or raise source.max_days",
        ),
        ("to come", range_of(start="2190-01-01"), Misconfigured, "2190"),
        ("before all", range_of(start="1800-01-01"), Misconfigured, "write a day between these"),
    ),
    *rows(
        "reason",
        ("empty", train("reason", ""), ParamValidationError, REFUSED),
        ("too short", train("reason", "ab"), ParamValidationError, REFUSED),
        ("too long", train("reason", "x" * 501), ParamValidationError, REFUSED),
        ("null", train("reason", None), ParamValidationError, REFUSED),
        ("a number", train("reason", 5), ParamValidationError, REFUSED),
        ("two lines", train("reason", "first\nsecond"), ParamValidationError, REFUSED),
        ("a NUL", train("reason", "why\x00not"), ParamValidationError, REFUSED),
    ),
    *rows(
        "ref",
        ("empty", train("ref", ""), ParamValidationError, REFUSED),
        ("a space", train("ref", "my branch"), ParamValidationError, REFUSED),
        ("too long", train("ref", "x" * 256), ParamValidationError, REFUSED),
        ("a number", train("ref", 7), ParamValidationError, REFUSED),
        ("a line break", train("ref", "main\n"), ParamValidationError, REFUSED),
    ),
    *rows(
        "params",
        ("a list", train("params", [1]), ParamValidationError, REFUSED),
        ("a text", train("params", "max_iter=5"), ParamValidationError, REFUSED),
        ("null", train("params", None), ParamValidationError, REFUSED),
        ("a key with a colon", train("params", {"a:b": 1}), ParamValidationError, REFUSED),
        ("an empty key", train("params", {"": 1}), ParamValidationError, REFUSED),
        ("a long key", train("params", {"x" * 251: 1}), ParamValidationError, REFUSED),
        ("NaN", to_build(C=float("nan")), Misconfigured, "params of the run: 'C': nan is not finite"),
        ("infinity", to_build(C=float("inf")), Misconfigured, "'C': inf is not finite; write a number"),
        ("NaN within", to_build(C={"low": [float("nan")]}), Misconfigured, "'C': nan is not finite"),
        ("a control character", to_build(solver="a\x07"), Misconfigured, "'solver': "),
        (
            "a name that MLflow refuses",
            to_build(**{"a//b": 1}),
            Misconfigured,
            "is not a valid name in MLflow",
        ),
        ("a name of dots", to_build(**{"..": 1}), Misconfigured, "is not a valid name in MLflow"),
    ),
]
