"""`python -m include.jobs <job>`: a job in a container; docs/job-contract.md says what goes in and out.

Standard output carries one line, the result or the error as JSON; everything else goes to standard error.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from include.exceptions import MillraceError, Misconfigured
from include.jobs import env
from include.jobs.exit_codes import Exit, code_of
from include.jobs.spec import Job, JobSpec
from include.settings import JobSettings

log = logging.getLogger("include.jobs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job; its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    asked = _arguments(arguments)
    try:
        told = env.read()
        _end_on_sigterm(told.seconds)
        spec = env.spec_of(_spec(asked.spec or told.job), asked.job)
        return _say(_run(spec, told), Exit.DONE)
    except MillraceError as error:
        return _fail(error)
    except Exception as error:
        log.exception("the model code failed")
        return _fail(error)


def _run(spec: JobSpec, told: JobSettings) -> dict[str, Any]:
    from include.jobs.runner import run

    return run(spec, env.services_of(told), env.identity_of(told, spec))


def _arguments(arguments: Sequence[str] | None) -> Any:
    parser = ArgumentParser(prog="python -m include.jobs", description=__doc__)
    parser.add_argument("job", choices=[job.value for job in Job])
    parser.add_argument("--spec", help="the spec as JSON, or @file; else the variable MILLRACE_JOB")
    parser.error = _bad_usage  # type: ignore[method-assign]
    return parser.parse_args(arguments)


def _bad_usage(message: str) -> NoReturn:
    sys.exit(_say({"error": "Misconfigured", "message": message}, Exit.BAD_SPEC))


def _spec(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"cannot read the spec {given[1:]!r} ({error})") from error


def _end_on_sigterm(seconds: int) -> None:
    """Leave by SystemExit, so that what is open is closed: an MLflow run as KILLED."""

    def end(number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the closing short
        log.warning("stopped by %s", signal.Signals(number).name)
        sys.exit(Exit.STOPPED)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)


def _fail(error: Exception) -> int:
    return _say({"error": type(error).__name__, "message": str(error)}, code_of(error))


def _say(answer: dict[str, Any], code: Exit) -> int:
    sys.stderr.flush()
    print(json.dumps(answer), flush=True)  # noqa: T201 - this line is how a job answers
    return code


if __name__ == "__main__":
    sys.exit(main())
