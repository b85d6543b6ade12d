"""The lake of the embedded stack: our own server, or the lakeFS program that `MILLRACE_LAKEFS_BINARY` names.

Both are configured by lakeFS's environment variables. Each keeps its data in its own folder, so changing
from one to the other neither loses nor mixes data.
"""

from __future__ import annotations

import os
from pathlib import Path

from include.exceptions import Misconfigured
from include.platform.embedded.stack_secrets import Secrets
from include.settings import Settings

FOLDERS = ("lakefs", "lakefs-binary")
"""Data folders below `var`: of the embedded server, and of the lakeFS program."""
STORAGE = "local://"
"""The storage namespace below which each repository has a folder, of both kinds of server."""
QUIET = {
    "LAKEFS_STATS_ENABLED": "false",
    "LAKEFS_SECURITY_CHECK_LATEST_VERSION": "false",
    # There is no setting to stop this one, and an empty address is replaced by the default one. Nothing
    # listens on the port of the discard service.
    "LAKEFS_SECURITY_AUDIT_CHECK_URL": "http://127.0.0.1:9/",
}
"""Variables of a lakeFS program that calls nobody on the internet; Compose and the manifests have them, too.

By default it sends statistics, looks for new versions, and asks for security advisories with the id of its
installation.
"""


def check(settings: Settings) -> None:
    """Raise Misconfigured if `MILLRACE_LAKEFS_BINARY` does not name a program that can be started."""
    binary = Path(settings.lakefs.binary)
    if settings.lakefs.binary and not (binary.is_file() and os.access(binary, os.X_OK)):
        raise Misconfigured(
            f"MILLRACE_LAKEFS_BINARY={settings.lakefs.binary!r} is not a program that you may run; set it to "
            "the path of a lakeFS binary (and make that executable), or leave it empty for the embedded "
            "server"
        )


def login(secrets: Secrets) -> dict[str, str]:
    """Return the environment variables that give a job the stack's keys."""
    return {
        "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": secrets.lake_access_key_id,
        "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": secrets.lake_secret_access_key,
    }


def variables(settings: Settings, secrets: Secrets, address: str) -> dict[str, str]:
    """Return the server's environment variables; `address` is `host:port`."""
    embedded, binary = (settings.var / folder for folder in FOLDERS)
    common = {
        "LAKEFS_LISTEN_ADDRESS": address,
        "LAKEFS_INSTALLATION_ACCESS_KEY_ID": secrets.lake_access_key_id,
        "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": secrets.lake_secret_access_key,
    }
    if not settings.lakefs.binary:
        return {
            **common,
            "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(embedded),
            "LAKEFS_READ_ONLY_ACCESS_KEY_ID": secrets.lake_reader_access_key_id,
            "LAKEFS_READ_ONLY_SECRET_ACCESS_KEY": secrets.lake_reader_secret_access_key,
        }
    return {
        **common,
        "LAKEFS_INSTALLATION_USER_NAME": "admin",
        "LAKEFS_AUTH_ENCRYPT_SECRET_KEY": secrets.lake_encryption_key,
        "LAKEFS_DATABASE_TYPE": "local",
        "LAKEFS_DATABASE_LOCAL_PATH": str(binary / "database"),
        "LAKEFS_BLOCKSTORE_TYPE": "local",
        "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(binary / "objects"),
        "LAKEFS_COMMITTED_LOCAL_CACHE_DIR": str(binary / "cache"),
        "LAKEFS_LOGGING_LEVEL": "WARN",
        **QUIET,
    }
