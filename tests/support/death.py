"""Simulation of a process that is killed between two of its effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import pytest
from mlflow import MlflowClient

from include.lake.client import Lake

EFFECTS: list[tuple[type, str]] = [
    *((Lake, name) for name in ("create_branch", "upload", "commit", "merge", "delete_branch", "create_tag")),
    *(
        (MlflowClient, name)
        for name in (
            "create_run",
            "log_batch",
            "log_artifact",
            "log_inputs",
            "create_logged_model",
            "log_outputs",
            "log_model_artifacts",
            "finalize_logged_model",
            "set_terminated",
            "create_registered_model",
            "create_model_version",
            "set_registered_model_alias",
            "delete_registered_model_alias",
        )
    ),
]
"""All calls by which the loop changes the lake or MLflow."""


class _Killed(BaseException):
    """The simulated end of the process."""


@contextmanager
def killed_after(effects: int, of: Sequence[tuple[Any, str]] = EFFECTS) -> Iterator[list[str]]:
    """End the block after a number of effects, calls `of` these; later ones raise instead of having one.

    Yields the list of the effects' names, which grows. A block with fewer effects ends as usual.
    """
    done: list[str] = []

    def mortal(call: Any) -> Any:
        @wraps(call)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if len(done) == effects:
                raise _Killed
            result = call(*arguments, **options)
            done.append(call.__name__)
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in of:
            patch.setattr(owner, name, mortal(getattr(owner, name)))
        with suppress(_Killed):
            yield done
