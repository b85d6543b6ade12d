"""`python -m include.lake.bootstrap`: a lakeFS that has no user yet gets its first one. Harmless if it has.

With PostgreSQL behind it lakeFS does not make that user of its own `LAKEFS_INSTALLATION_…`, as it does over a
local database. Until somebody asks it to, it is healthy and refuses all keys.
"""

from __future__ import annotations

import sys

from pydantic import ValidationError

from include.exceptions import MillraceError, Misconfigured
from include.lake.client import Lake, LakeConnection
from include.settings import LakeLogin

ADMIN = "admin"


def main() -> int:
    """As `lakectl` is told (`LAKECTL_…`): these keys become the first user's."""
    try:
        told = LakeLogin()
    except ValidationError as error:
        names = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
        raise Misconfigured(f"missing or wrong: {names}; set them as for lakectl") from error
    version = Lake(LakeConnection.of(told), "any").create_first_user(ADMIN)
    print(f"lakeFS {version} at {told.lake_endpoint} is set up and takes the keys")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MillraceError as error:
        sys.exit(str(error))
