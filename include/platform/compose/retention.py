"""Delete logs and rows of Airflow's database older than MILLRACE_KEPT_DAYS, once a day, in a container.

It sleeps most of the time and should stay small: it needs Python's standard library only, and runs Airflow
as a program. If it is killed, the next attempt finishes its work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from include.exceptions import Misconfigured, Unavailable
from include.platform import cli

LOGS = Path("/opt/airflow/logs")
MARK = ".cleaned"
"""A file in the folder of logs whose modification time is that of the last success."""
# Everything that Airflow can clean, except two tables. `dag` holds which DAGs are paused: after a long
# shutdown all rows would be deleted before the first DAG file is parsed again. `trigger` holds asset
# watchers, whose rows are always old; the triggerer itself removes unused ones.
TABLES = (
    "_xcom_archive",
    "asset_event",
    "callback",
    "celery_taskmeta",
    "celery_tasksetmeta",
    "connection_test_request",
    "dag_run",
    "dag_version",
    "deadline",
    "import_error",
    "job",
    "log",
    "partitioned_asset_key_log",
    "revoked_token",
    "session",
    "task_instance",
    "task_instance_history",
    "task_reschedule",
    "task_state_store",
    "xcom",
)
_HOUR_SECONDS, _DAY_SECONDS = 3600, 86400
_MAX_KEPT_DAYS = 36500
_BATCH_ROWS = 10_000
"""Small batches: Airflow copies the rows before it deletes them, and the disk may be nearly full."""


def days(text: str) -> int:
    """Parse MILLRACE_KEPT_DAYS; raise Misconfigured if it is not valid."""
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_KEPT_DAYS:
        raise Misconfigured(
            f"MILLRACE_KEPT_DAYS={text!r} is not a whole number of days from 1 to "
            f"{_MAX_KEPT_DAYS}; set it in .env"
        )
    return int(text)


def run_forever(kept_days: int, logs: Path = LOGS) -> NoReturn:
    """Clean once a day, for ever; retry hourly after a failure."""
    begin(logs / MARK)
    print(f"data older than {kept_days} days is deleted once a day", flush=True)
    while True:
        if age(logs / MARK) >= _DAY_SECONDS:
            attempt(kept_days, logs)
        time.sleep(_HOUR_SECONDS)


def begin(mark: Path) -> None:
    """Make the first attempt due now, unless the last success is less than a day ago.

    The mark is dated one day back, so the health check allows one more day before it reports a problem.
    """
    if not mark.exists() or age(mark) > _DAY_SECONDS:
        mark.touch()
        yesterday = time.time() - _DAY_SECONDS
        os.utime(mark, (yesterday, yesterday))


def age(mark: Path) -> float:
    """Return the seconds since the last success."""
    return time.time() - mark.stat().st_mtime


def attempt(kept_days: int, logs: Path) -> None:
    """Clean the logs and the database, each even if the other fails, and print the outcome."""
    before = time.time() - kept_days * _DAY_SECONDS
    reasons = []
    for part in (partial(clean_logs, logs), clean_database):
        try:
            part(before)
        except (OSError, Unavailable) as error:
            reasons.append(str(error))
    if reasons:
        print("cleaning failed, next attempt in an hour:", *reasons, sep="\n", file=sys.stderr, flush=True)
        return
    (logs / MARK).touch()
    print(f"deleted data from before {_moment(before)}", flush=True)


def clean_logs(logs: Path, before: float) -> None:
    """Delete the files last written before a moment, and folders that are empty as a result."""
    for folder in logs.iterdir():
        if folder.is_dir() and not folder.is_symlink():
            _clean_folder(folder, before)


def _clean_folder(folder: Path, before: float) -> None:
    # A new folder is empty until its first file is written.
    settled = age(folder) > _DAY_SECONDS
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _clean_folder(Path(entry), before)
            elif entry.stat(follow_symlinks=False).st_mtime < before:
                Path(entry).unlink()
    if settled and not any(folder.iterdir()):
        folder.rmdir()


def clean_database(before: float) -> None:
    """Delete rows from before a moment with `airflow db clean`; raise Unavailable with the reason."""
    options = ("--tables", ",".join(TABLES), "--batch-size", str(_BATCH_ROWS), "--skip-archive", "--yes")
    # Without `--error-on-cleanup-failure` the exit status is always 0.
    airflow("clean", "--clean-before-timestamp", _moment(before), *options, "--error-on-cleanup-failure")
    # Drop the copies that a killed attempt has left.
    airflow("drop-archived", "--yes")


def airflow(verb: str, *arguments: str) -> None:
    """Run a verb of `airflow db`; raise Unavailable with the end of its output."""
    with subprocess.Popen(
        ["airflow", "db", verb, *arguments],  # noqa: S607 - Airflow of the image
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        last_lines = deque(process.stdout or (), maxlen=10)
    if process.returncode:
        text = "".join(last_lines).strip()[-2000:]
        raise Unavailable(f"'airflow db {verb}' ended with {process.returncode}: {text}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def check(mark: Path = LOGS / MARK) -> int:
    """Return 0 if the last success is at most two days ago, else 1 after printing how long ago it is."""
    if (seconds := age(mark)) <= 2 * _DAY_SECONDS:
        return 0
    print(f"no successful cleaning for {seconds / _DAY_SECONDS:.1f} days; see the log for the reason")
    return 1


def main() -> int:
    """Check the last success (argument `check`), or clean for ever (argument: the number of days)."""
    return check() if sys.argv[1] == "check" else run_forever(days(sys.argv[1]))


if __name__ == "__main__":
    cli.run(main)
