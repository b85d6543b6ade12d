"""Create the first user of a new lakeFS: `python -m include.lake.bootstrap`. Does nothing if it exists.

With a PostgreSQL database, lakeFS does not create that user from its `LAKEFS_INSTALLATION_…` settings, as it
does with a local database. Until the user is created through the API, lakeFS is healthy and rejects all keys.

Settings: https://docs.lakefs.io/reference/configuration.html
"""

from __future__ import annotations

import sys

from pydantic import ValidationError

from include.exceptions import MillraceError, Misconfigured
from include.lake.client import Lake, LakeConnection
from include.settings import LakeLogin

ADMIN = "admin"


def main() -> int:
    """Create the first user with the keys in the environment, under lakectl's names (`LAKECTL_…`)."""
    try:
        login = LakeLogin()
    except ValidationError as error:
        names = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
        raise Misconfigured(f"missing or invalid: {names}; set them as for lakectl") from error
    version = Lake(LakeConnection.of(login), "any").create_first_user(ADMIN)
    print(f"lakeFS {version} at {login.lake_endpoint} is set up and accepts the keys")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MillraceError as error:
        sys.exit(str(error))
