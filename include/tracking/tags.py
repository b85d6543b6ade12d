"""The tags of MLflow runs: one step writes them, and another finds or reads runs by them."""

from __future__ import annotations

from enum import StrEnum

from include.run_identity import RUN_KEY, RunIdentity

PREFIX = "millrace."


class Tag(StrEnum):
    """Names of tags; days are ISO dates."""

    RUN_KEY = RUN_KEY
    """The same for every try: finds what an earlier try finished, or left open."""
    TRY = f"{PREFIX}try"
    """The try of the task that made the run: a later try of the same Airflow run is its successor."""
    CODE_VERSION = f"{PREFIX}code_version"
    """The git commit of the code."""
    IMAGE = f"{PREFIX}image"
    """The container image that made the run, by digest."""

    COMMIT = f"{PREFIX}commit"
    """The commit of the lake that a training learned from, or that was validated."""
    TRAINED_UNTIL = f"{PREFIX}trained_until"
    """The last day of a training's window; on a monitoring run, that of the champion."""

    AS_OF = f"{PREFIX}as_of"
    """The day that a monitoring run is about."""
    VERSION = f"{PREFIX}version"
    """The champion of a monitoring run; in the ledger, the version that a decision is about."""
    VERDICT = f"{PREFIX}verdict"
    """The outcome of a monitoring run: `passed` or `failed`."""

    BRANCH = f"{PREFIX}branch"
    """The branch that was validated."""

    EVENT = f"{PREFIX}event"
    """What was decided."""
    REASON = f"{PREFIX}reason"
    """Why it was decided."""
    CAUSE = f"{PREFIX}cause"
    """What a decision was taken for: the same cause is decided once."""
    BY = f"{PREFIX}by"
    """The DAG run that decided, or validated."""


def run_tags(run: RunIdentity) -> dict[str, str]:
    """Return the tags that every MLflow run made for an Airflow run carries."""
    tags = {Tag.TRY: str(run.try_number), Tag.CODE_VERSION: run.code_version, Tag.IMAGE: run.image}
    return {name: value for name, value in tags.items() if value}
