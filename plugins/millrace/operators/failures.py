"""What operators and sensors do with a failure: the message comes first in the log, limits are named.

Airflow logs a failed task as a traceback, whose first lines are frames of libraries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from airflow.sdk.exceptions import AirflowTaskTimeout

from include.exceptions import JobFailed, MillraceError


class FailureMixin:
    """Mixin that logs the message of a failure before Airflow logs its frames.

    `limit_key` names the key of the contract with the time limit, `limit_remedy` what else helps.
    """

    limit_key = "execution_timeout"
    limit_remedy = "find out what it waits for"
    log: Any
    task_id: str
    execution_timeout: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # What operators and sensors define themselves; the rest of a task runs through the methods below.
        for name, wrapped in (("execute", _limited), ("poke", _reported)):
            if method := vars(cls).get(name):
                setattr(cls, name, wrapped(method))

    def render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Extend Airflow's step: a macro may fail as a task does."""
        with reporting(self.log):
            super().render_template_fields(*args, **kwargs)  # type: ignore[misc]

    def resume_execution(self, *args: Any, **kwargs: Any) -> Any:
        """Extend Airflow's step after a wait in the triggerer."""
        with reporting(self.log):
            return super().resume_execution(*args, **kwargs)  # type: ignore[misc]

    def too_late(self) -> MillraceError:
        """Return the error for a task that exceeded its time limit."""
        seconds = int(self.execution_timeout.total_seconds())
        whose = f" of {name!r}" if (name := getattr(self, "pipeline_name", "")) else ""
        return JobFailed(
            f"{self.task_id} was not done after {seconds} s, its {self.limit_key}; raise that{whose}, or "
            f"{self.limit_remedy}"
        )


@contextmanager
def reporting(log: logging.Logger) -> Iterator[None]:
    """Log the message of an error of include.exceptions, once, and raise it."""
    try:
        yield
    except MillraceError as error:
        if not getattr(error, "is_reported", False):
            error.is_reported = True  # type: ignore[attr-defined]
            log.error("%s", error)
        raise


def _reported(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        with reporting(self.log):
            return method(self, *args, **kwargs)

    return run


def _limited(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reported `execute` that names the key of its time limit.

    Not a `poke`: of a time-out, and of no other error, a sensor takes notice before its `soft_fail`,
    `never_fail` and `silent_fail`.
    """

    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except AirflowTaskTimeout:
            if not self.execution_timeout:
                raise
            self.on_kill()  # as Airflow does for its own error
            raise self.too_late() from None

    return _reported(run)
