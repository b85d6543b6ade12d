"""The tags of MLflow runs: one step writes them, and another finds or reads runs by them."""

from __future__ import annotations

from enum import StrEnum

PREFIX = "millrace."


class Tag(StrEnum):
    """Days are ISO dates."""

    RUN_KEY = f"{PREFIX}run_key"
    """The same for every try: what an earlier one finished, or left open, is found by it."""
    CODE_VERSION = f"{PREFIX}code_version"
    IMAGE = f"{PREFIX}image"
    """The image that made the run."""

    COMMIT = f"{PREFIX}commit"
    """The commit of the lake that a training learned from, or that was validated."""
    UNTIL = f"{PREFIX}until"
    """The last day of a training's window."""

    NIGHT = f"{PREFIX}night"
    """The day that a monitoring run judges."""
    VERSION = f"{PREFIX}version"
    """The champion of a night; in the ledger, the version that a decision is about."""
    LEARNED = f"{PREFIX}learned"
    """The last day that the champion of a night learned from."""
    STATE = f"{PREFIX}state"
    """What a night said of the limits: `kept` or `breached`."""
    DRIFTED = f"{PREFIX}drifted"
    """The features that drifted, joined by `,`."""
    REASONS = f"{PREFIX}reasons"
    """Why limits were broken, joined by `; `."""

    BRANCH = f"{PREFIX}branch"
    """The branch that was validated."""

    EVENT = f"{PREFIX}event"
    REASON = f"{PREFIX}reason"
    CAUSE = f"{PREFIX}cause"
    BY = f"{PREFIX}by"
    """The DAG run that decided, or asked."""
