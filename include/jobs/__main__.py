"""`python -m include.jobs <job>`: a job in a container; docs/job-contract.md defines its input and output.

Standard output carries one line, the result or the error as JSON; everything else goes to standard error.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from include.contract.own_code import explain, frames
from include.exceptions import MillraceError, Misconfigured, Stopped, Transient
from include.jobs import env
from include.jobs.exit_codes import Exit, code_of
from include.jobs.spec import Job
from include.settings import settings

log = logging.getLogger("include.jobs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job, and return its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    options = _parse(arguments)
    try:
        return _print(_run(options), Exit.DONE)
    except MillraceError as error:
        return _fail(error)
    except Exception as error:  # noqa: BLE001 - a fault of ours, or of a library
        return _fail(_unforeseen(error))


def _run(options: Namespace) -> dict[str, Any]:
    from include.jobs.runner import run_job

    given = env.read()
    _end_on_sigterm(given.seconds)
    spec = env.parse_spec(_spec_text(options.spec or given.job), options.job)
    return run_job(spec, env.services(given), env.run_identity(given, spec)).to_json()


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m include.jobs", description=__doc__)
    parser.add_argument("job", choices=[job.value for job in Job])
    parser.add_argument("--spec", help="the spec as JSON, or @file; default: the variable MILLRACE_JOB")
    parser.error = _refuse_usage  # type: ignore[method-assign]
    return parser.parse_args(arguments)


def _refuse_usage(message: str) -> NoReturn:
    sys.exit(_print({"error": "Misconfigured", "message": message}, Exit.BAD_SPEC))


def _spec_text(spec: str) -> str:
    if not spec.startswith("@"):
        return spec
    try:
        return Path(spec[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"cannot read the spec {spec[1:]!r} ({error})") from error


def _end_on_sigterm(seconds: int) -> None:
    """Leave by SystemExit on SIGTERM, or after `seconds`, so that an open MLflow run is closed as KILLED."""

    def end(number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the closing short
        log.warning("stopped by %s", signal.Signals(number).name)
        raise Stopped(Exit.STOPPED)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)


def _unforeseen(error: Exception) -> Transient:
    """Return an error without the message of this one, which may quote rows.

    The code of the model is guarded where it runs, so this may be a fault of a service: it is tried again, as
    in a worker, where Airflow does not know the class of such an error either.
    """
    what = explain(error, settings().pipelines)
    failed = Transient(f"the job failed with {what}; it is tried again; if it stays, report it as a bug")
    failed.add_note(frames(error))
    return failed


def _fail(error: MillraceError) -> int:
    for note in getattr(error, "__notes__", ()):
        log.error("%s", note)
    return _print({"error": type(error).__name__, "message": str(error)}, code_of(error))


def _print(line: dict[str, Any], code: Exit) -> int:
    sys.stderr.flush()
    print(json.dumps(line), flush=True)  # noqa: T201 - this line is the job's output
    return code


if __name__ == "__main__":
    sys.exit(main())
