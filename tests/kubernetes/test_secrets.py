"""Secrets are referred to, listed in one file without their values, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.manifests import KUBERNETES, OVERLAYS, objects, overlay

EXAMPLE = objects((KUBERNETES / "secrets.example.yaml").read_text())
# What the pods of jobs are given (JOB_SECRET), in the words of docs/job-contract.md.
OF_JOBS = {
    ("millrace-job", "LAKECTL_CREDENTIALS_ACCESS_KEY_ID"),
    ("millrace-job", "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"),
    ("millrace-job", "MLFLOW_TRACKING_USERNAME"),
    ("millrace-job", "MLFLOW_TRACKING_PASSWORD"),
}


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
    assert listed == referred | OF_JOBS


def test_a_secret_is_where_the_pods_are_that_use_it() -> None:
    assert {one["metadata"]["name"]: one["metadata"]["namespace"] for one in EXAMPLE} == {
        "lakefs": "millrace",
        "mlflow": "millrace",
        "millrace-job": "millrace-jobs",
    }


def test_the_example_holds_no_value() -> None:
    assert {value for one in EXAMPLE for value in one["stringData"].values()} == {""}
