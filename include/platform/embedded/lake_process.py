"""The lake of the embedded stack: our own server, or the lakeFS program that `MILLRACE_LAKEFS_BINARY` names.

Both are told where and who by the same variables; each keeps its data in a folder of its own, so that
changing from one to the other loses nothing and mixes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from include.exceptions import Misconfigured
from include.platform.embedded.secrets import Secrets
from include.settings import Settings

FOLDERS = ("lakefs", "lakefs-binary")
"""What the two servers keep below `var`."""


def check(settings: Settings) -> None:
    """Raise Misconfigured if the lakeFS program that is to be started cannot be."""
    binary = Path(settings.lakefs.binary)
    if settings.lakefs.binary and not (binary.is_file() and os.access(binary, os.X_OK)):
        raise Misconfigured(
            f"MILLRACE_LAKEFS_BINARY={settings.lakefs.binary!r} is no program that you may run; set it to "
            "the path of a lakeFS binary (and make that executable), or leave it empty for the embedded "
            "server"
        )


def login(secrets: Secrets) -> dict[str, str]:
    """The stack's own keys, as the variables of a job."""
    return {
        "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": secrets.lake_access_key_id,
        "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": secrets.lake_secret_access_key,
    }


def variables(settings: Settings, secrets: Secrets, address: str) -> dict[str, str]:
    """What the server is told; `address` is `host:port`."""
    own, others = (settings.var / folder for folder in FOLDERS)
    common = {
        "LAKEFS_LISTEN_ADDRESS": address,
        "LAKEFS_INSTALLATION_ACCESS_KEY_ID": secrets.lake_access_key_id,
        "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": secrets.lake_secret_access_key,
    }
    if not settings.lakefs.binary:
        return {
            **common,
            "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(own),
            "LAKEFS_READ_ONLY_ACCESS_KEY_ID": secrets.lake_reader_access_key_id,
            "LAKEFS_READ_ONLY_SECRET_ACCESS_KEY": secrets.lake_reader_secret_access_key,
        }
    return {
        **common,
        "LAKEFS_INSTALLATION_USER_NAME": "admin",
        "LAKEFS_AUTH_ENCRYPT_SECRET_KEY": secrets.lake_encryption_key,
        "LAKEFS_DATABASE_TYPE": "local",
        "LAKEFS_DATABASE_LOCAL_PATH": str(others / "database"),
        "LAKEFS_BLOCKSTORE_TYPE": "local",
        "LAKEFS_BLOCKSTORE_LOCAL_PATH": str(others / "objects"),
        "LAKEFS_COMMITTED_LOCAL_CACHE_DIR": str(others / "cache"),
        "LAKEFS_LOGGING_LEVEL": "WARN",
        # It would call out otherwise.
        "LAKEFS_STATS_ENABLED": "false",
        "LAKEFS_SECURITY_CHECK_LATEST_VERSION": "false",
    }
