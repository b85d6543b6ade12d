"""`python -m include.platform.embedded.lakefs [gc]`: run the server, or its garbage collection.

Both are configured by lakeFS's environment variables, see `include/platform/embedded/settings.py`.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from include.platform.embedded.lakefs.errors import ApiError
from include.platform.embedded.settings import LakeFolder, LakeServerSettings
from include.settings import settings as millrace_settings

_DAY_SECONDS = 24 * 3600
_FILE = "lake.sqlite"


def serve() -> None:
    """Serve until SIGTERM or SIGINT."""
    import uvicorn

    from include.platform.embedded.lakefs.app import create_app
    from include.platform.embedded.lakefs.auth import Keys

    settings = LakeServerSettings()
    host, _, port = settings.listen_address.rpartition(":")
    keys = [Keys("admin", settings.access_key_id, settings.secret_access_key)]
    if settings.read_only_access_key_id:
        reader = settings.read_only_access_key_id, settings.read_only_secret_access_key
        keys.append(Keys("reader", *reader, read_only=True))
    app = create_app(settings.folder, *keys, min_free=millrace_settings().min_free)
    uvicorn.run(app, host=host, port=int(port), log_level="warning", timeout_graceful_shutdown=3)


def collect_garbage(folder: Path, days: float, *, dry_run: bool) -> str:
    """Collect garbage below the server's folder; return a sentence that reports what was removed."""
    from include.platform.embedded.lakefs.addresses import UNLINKED, sweep
    from include.platform.embedded.lakefs.blobs import Blobs
    from include.platform.embedded.lakefs.database import Database
    from include.platform.embedded.lakefs.garbage import collect

    if not (folder / _FILE).exists():
        return f"there is no lake in {folder}: nothing to collect"
    database, blobs = Database(folder / _FILE), Blobs(folder / "objects")
    garbage = collect(database, blobs, days * _DAY_SECONDS, dry_run=dry_run)
    unlinked = sweep(folder / UNLINKED, time.time() - days * _DAY_SECONDS, dry_run=dry_run)
    return (
        f"{'would remove' if dry_run else 'removed'} {garbage.commits:,} commits, "
        f"{garbage.versions:,} versions, {garbage.ranges:,} ranges and {garbage.contents:,} contents of "
        f"{garbage.size:,} bytes that are unreachable and older than {days:g} days, and {unlinked:,} files "
        "that were written and never linked"
    )


def main() -> int:
    """Run the verb of the command line."""
    parser = ArgumentParser(prog="python -m include.platform.embedded.lakefs", description=__doc__)
    collection = parser.add_subparsers(dest="verb").add_parser("gc", help="collect garbage")
    collection.add_argument("--dry-run", action="store_true", help="only report what would be removed")
    collection.add_argument(
        "--retention", type=_days, default=7, metavar="DAYS", help="keep what is younger (default: 7)"
    )
    arguments = parser.parse_args()
    if arguments.verb is None:
        serve()
        return 0
    try:
        print(collect_garbage(LakeFolder().folder, arguments.retention, dry_run=arguments.dry_run))
    except ApiError as error:
        print(f"nothing was removed: {error}", file=sys.stderr)
        return 1
    return 0


def _days(text: str) -> float:
    days = float(text)
    if not days >= 0:
        raise ValueError(text)
    return days


if __name__ == "__main__":
    sys.exit(main())
