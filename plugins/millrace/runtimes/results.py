"""What a job in a container said: its answer, or why there is none. The same for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include.exceptions import JobFailed, MillraceError, Misconfigured, Transient
from include.jobs.exit_codes import error_of, last_json
from include.jobs.spec import Job
from millrace.hooks.mlflow import MlflowHook

STOP_SECONDS = 3
"""Between SIGTERM and SIGKILL; Airflow kills the task's own process five seconds after asking it to end."""

_ANSWERS = {
    Job.TRAIN: {"run_id", "link"},
    Job.EVALUATE: {"training_run", "metric", "rows", "candidate"},
    Job.SCORE: {"commit", "days", "rows"},
    Job.MEASURE: {"run_id", "link"},
}
_KILLED, _STOPPED = 137, 143


def answer(job: str, image: str, lines: Sequence[str], mlflow: MlflowHook) -> dict[str, Any]:
    """The result that a job which ended well printed; its link as people's browsers see it."""
    found, wanted = last_json(list(lines)), _ANSWERS[Job(job)]
    if found is None or not wanted <= found.keys():
        raise Misconfigured(
            f"image {image!r} ended well without an answer for {job!r}: the last line that is "
            f"a JSON object must have {sorted(wanted)}; see docs/job-contract.md"
        )
    if "link" in found:
        inside, outside = mlflow.container_connection.uri, mlflow.connection.uri
        found["link"] = str(found["link"]).replace(inside, outside, 1)
    return found


def failure(job: str, image: str, code: int, lines: Sequence[str]) -> MillraceError:
    """Why a container ended with an exit code, as one of our errors."""
    if code in (_KILLED, _STOPPED):
        return Transient(f"the job's container was stopped from outside (exit code {code})")
    said = last_json(list(lines)) or {}
    message = said.get("message") or f"the last line of its log: {lines[-1] if lines else ''}"
    return error_of(code, f"job {job!r} of image {image!r} ended with exit code {code}: {message}")


def stopped_early() -> MillraceError:
    """A task that was told to end before its container or pod was at work."""
    return Transient("the task was stopped from outside before its job began")


def too_much_memory(pipeline: str, limit: str) -> MillraceError:
    """A job that was killed for its memory; `limit` as people write it."""
    return Misconfigured(
        f"the job was killed for using more than its {limit} of memory; raise training.resources.memory "
        f"of {pipeline!r}, or shorten training.window"
    )


def too_long(pipeline: str, seconds: int) -> MillraceError:
    """A job whose time was over."""
    return JobFailed(
        f"the job was not done after {seconds} s, its training.timeout; raise that of {pipeline!r}, or "
        "shorten training.window"
    )
