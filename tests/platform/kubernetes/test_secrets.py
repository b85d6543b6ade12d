"""Secrets are referred to, listed in one file without their values, and nowhere else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

import asyncpg
import yaml

from tests.support.manifests import KUBERNETES, OVERLAYS, chart, objects, overlay, values

EXAMPLE = objects((KUBERNETES / "secrets.example.yaml").read_text())
# What the pods of jobs are given (MILLRACE_KUBERNETES_SECRET), in the words of docs/job-contract.md.
OF_JOBS = {
    ("millrace-job", "LAKECTL_CREDENTIALS_ACCESS_KEY_ID"),
    ("millrace-job", "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"),
    ("millrace-job", "MLFLOW_TRACKING_USERNAME"),
    ("millrace-job", "MLFLOW_TRACKING_PASSWORD"),
}


# Where the chart's values name a secret, and the key that the chart then reads in it.
OF_THE_CHART = {
    ("data", "metadataSecretName"): "connection",
    ("fernetKeySecretName",): "fernet-key",
    ("apiSecretKeySecretName",): "api-secret-key",
    ("jwtSecretName",): "jwt-secret",
}


def of_the_values() -> Iterator[tuple[str, str]]:
    """Every secret's name and key that the chart's values refer to."""
    told: Any = values()
    for path, key in OF_THE_CHART.items():
        yield reduce(getitem, path, told), key
    for one in told["secret"]:
        yield one["secretName"], one["secretKey"]
    yield from references(yaml.safe_load((KUBERNETES / "airflow-values-keda.yaml").read_text()))


def references(part: Any) -> Iterator[tuple[str, str]]:
    """Every secret's name and key that a manifest refers to."""
    if isinstance(part, dict):
        if "secretKeyRef" in part:
            yield part["secretKeyRef"]["name"], part["secretKeyRef"]["key"]
        for value in part.values():
            yield from references(value)
    if isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_example_lists_what_is_referred_to_and_nothing_more() -> None:
    listed = {(one["metadata"]["name"], key) for one in EXAMPLE for key in one["stringData"]}
    referred = {found for name in OVERLAYS for found in references(overlay(name))}
    assert listed == referred | OF_JOBS | set(of_the_values())


def test_a_secret_is_where_the_pods_are_that_use_it() -> None:
    elsewhere = {
        one["metadata"]["name"] for one in EXAMPLE if one["metadata"]["namespace"] == "millrace-jobs"
    }
    assert elsewhere == {"millrace-job"}
    assert {one["metadata"]["namespace"] for one in EXAMPLE} == {"millrace", "millrace-jobs"}


def test_every_secret_of_the_rendered_chart_is_listed() -> None:
    listed = {(one["metadata"]["name"], key) for one in EXAMPLE for key in one["stringData"]}
    assert set(references(chart())) <= listed


def test_the_example_holds_no_value() -> None:
    assert {value for one in EXAMPLE for value in one["stringData"].values()} == {""}


def test_airflows_second_driver_takes_the_address_that_the_example_gives() -> None:
    from airflow.settings import _get_async_conn_uri_from_sync
    from sqlalchemy import make_url
    from sqlalchemy.ext.asyncio import create_async_engine

    text = (KUBERNETES / "secrets.example.yaml").read_text()
    (told,) = re.findall(r"postgresql\+psycopg2://[^\s,]+", text)
    url = make_url(_get_async_conn_uri_from_sync(told))
    engine = create_async_engine(url)
    assert engine.driver == "asyncpg"
    # Options of an address go to the driver's `connect`, which has to know them.
    known = inspect.signature(asyncpg.connect).parameters
    assert set(engine.dialect.create_connect_args(url)[1]) <= set(known)
