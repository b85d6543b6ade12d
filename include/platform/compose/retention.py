"""Remove logs and rows of Airflow's database older than MILLRACE_KEPT_DAYS, once a day, in a container.

It sleeps for the rest of it, so it needs Python's own library only, and Airflow is a program that it calls.
Killed at any moment it leaves nothing that the next try does not finish.
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

from include.exceptions import MillraceError, Misconfigured, Unavailable

LOGS = Path("/opt/airflow/logs")
MARK = ".cleaned"
"""The file beside the folders of logs whose time is that of the last success."""
# All that Airflow can clean but two. `dag` holds which DAGs are paused: after a long time off, all of them
# would go before the first was read again. `trigger` holds what watches assets, and is old for that; what
# nobody waits for the triggerer removes.
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
_HOUR, _DAY = 3600, 86400
_LONGEST = 36500
_BATCH = 10_000
"""Rows: Airflow copies those that it is about to remove, and the disk may be nearly full."""


def days(text: str) -> int:
    """MILLRACE_KEPT_DAYS as a number; raises Misconfigured."""
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST:
        raise Misconfigured(
            f"MILLRACE_KEPT_DAYS={text!r} is no whole number of days from 1 to {_LONGEST}; set it in .env"
        )
    return int(text)


def keep(kept: int, logs: Path = LOGS) -> NoReturn:
    """Clean when it is due, for good; what failed is due again an hour later."""
    begin(logs / MARK)
    print(f"what is older than {kept} days is removed, once a day", flush=True)
    while True:
        if age(logs / MARK) >= _DAY:
            attempt(kept, logs)
        time.sleep(_HOUR)


def begin(mark: Path) -> None:
    """Let the first try be due, unless the last success is of today; it has a day before anybody worries."""
    if not mark.exists() or age(mark) > _DAY:
        mark.touch()
        yesterday = time.time() - _DAY
        os.utime(mark, (yesterday, yesterday))


def age(mark: Path) -> float:
    """Seconds since the last success."""
    return time.time() - mark.stat().st_mtime


def attempt(kept: int, logs: Path) -> None:
    """Clean both, each also where the other fails; say what came of it."""
    before = time.time() - kept * _DAY
    reasons = []
    for part in (partial(clean_logs, logs), clean_database):
        try:
            part(before)
        except (OSError, Unavailable) as error:
            reasons.append(str(error))
    if reasons:
        print("tried again in an hour:", *reasons, sep="\n", file=sys.stderr, flush=True)
        return
    (logs / MARK).touch()
    print(f"what was from before {_moment(before)} is removed", flush=True)


def clean_logs(logs: Path, before: float) -> None:
    """Remove the files last written before a moment, and the folders that this left empty."""
    for folder in logs.iterdir():
        if folder.is_dir() and not folder.is_symlink():
            _clean_folder(folder, before)


def _clean_folder(folder: Path, before: float) -> None:
    # A new folder may be waiting for its first file.
    settled = age(folder) > _DAY
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _clean_folder(Path(entry), before)
            elif entry.stat(follow_symlinks=False).st_mtime < before:
                Path(entry).unlink()
    if settled and not any(folder.iterdir()):
        folder.rmdir()


def clean_database(before: float) -> None:
    """Let Airflow remove what is from before a moment; raises Unavailable with the reason."""
    asked = ("--tables", ",".join(TABLES), "--batch-size", str(_BATCH), "--skip-archive", "--yes")
    # Else it ends with 0 whatever happened.
    airflow("clean", "--clean-before-timestamp", _moment(before), *asked, "--error-on-cleanup-failure")
    # The copies that one left that was killed.
    airflow("drop-archived", "--yes")


def airflow(verb: str, *arguments: str) -> None:
    """Run a verb of `airflow db`; raises Unavailable with the end of what it said."""
    with subprocess.Popen(
        ["airflow", "db", verb, *arguments],  # noqa: S607 - Airflow of the image
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as running:
        said = deque(running.stdout or (), maxlen=10)
    if running.returncode:
        told = "".join(said).strip()[-2000:]
        raise Unavailable(f"'airflow db {verb}' ended with {running.returncode}: {told}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def check(mark: Path = LOGS / MARK) -> int:
    """Whether the last success is one of the last two days."""
    if (found := age(mark)) <= 2 * _DAY:
        return 0
    print(f"nothing was cleaned for {found / _DAY:.1f} days; the log has the reason")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(check() if sys.argv[1] == "check" else keep(days(sys.argv[1])))
    except MillraceError as error:
        sys.exit(str(error))
