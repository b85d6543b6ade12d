"""The outcome of a job in a container or a pod: its result, or the error that explains why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from include.exceptions import JobFailed, MillraceError, Misconfigured, Transient
from include.jobs.exit_codes import error_of, last_json
from include.jobs.results import parse_result
from include.jobs.spec import Job
from include.record import Record
from millrace.hooks.mlflow import MlflowHook

STOP_SECONDS = 3
"""Between SIGTERM and SIGKILL; Airflow kills the task's own process five seconds after SIGTERM."""
_KILLED, _STOPPED = 137, 143


def result(job: str, image: str, lines: Sequence[str], mlflow: MlflowHook) -> Record:
    """Return the result that a successful job printed, with its link as browsers can follow it.

    Raises Misconfigured naming the image and each field that is missing or wrong.
    """
    value = last_json(list(lines))
    if value is None:
        raise Misconfigured(
            f"image {image!r} ended with 0 and printed no result of '{job}': the last line that is a JSON "
            "object has to be the result; see docs/job-contract.md"
        )
    record = parse_result(Job(job), value, source=f"the result of '{job}' from image {image!r}")
    inside, outside = mlflow.container_connection.uri, mlflow.connection.uri
    link = getattr(record, "link", None)
    return record.model_copy(update={"link": link.replace(inside, outside, 1)}) if link else record


def failure(job: str, image: str, code: int, lines: Sequence[str]) -> MillraceError:
    """Return the error that explains why a container ended with an exit code."""
    if code in (_KILLED, _STOPPED):
        return Transient(f"the job's container was stopped from outside (exit code {code})")
    error = last_json(list(lines)) or {}
    message = error.get("message") or f"the last line of its log: {lines[-1] if lines else ''}"
    return error_of(code, f"job '{job}' of image {image!r} ended with exit code {code}: {message}")


def stopped_early() -> MillraceError:
    """Return the error for a task that was stopped before its container or pod had begun."""
    return Transient("the task was stopped from outside before its job began")


def too_much_memory(pipeline_name: str, limit: str) -> MillraceError:
    """Return the error for a job that was killed for its memory; `limit` in a unit that people read."""
    return Misconfigured(
        f"the job was killed for using more than its {limit} of memory; raise training.resources.memory "
        f"of {pipeline_name!r}, or shorten training.window"
    )


def too_long(pipeline_name: str, seconds: int) -> MillraceError:
    """Return the error for a job that exceeded its time limit."""
    return JobFailed(
        f"the job was not done after {seconds} s, its training.timeout; raise that of {pipeline_name!r}, or "
        "shorten training.window"
    )
