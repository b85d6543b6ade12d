"""Where Unix sockets lie: beside what they belong to or, as their paths may not be long, below `/tmp`."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from include.exceptions import Misconfigured

_MAX_PATH_BYTES = 103  # the limit of macOS; Linux allows 107


def folder(preferred: Path, name: str) -> Path:
    """Return the folder of a socket: the preferred one or, if its path is too long, one below `/tmp`."""
    if len(os.fsencode(preferred / name)) <= _MAX_PATH_BYTES:
        return preferred
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]
    # Not TMPDIR, whose path may be as long. `make_private` checks the folder's owner.
    return Path("/tmp") / f"millrace-{digest}"  # noqa: S108


def make_private(path: Path, owners: set[int]) -> None:
    """Create a folder that only its owner can enter.

    Raises Misconfigured if it exists and belongs to none of `owners` (user ids).
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        existing = path.lstat()
        if not stat.S_ISDIR(existing.st_mode) or existing.st_uid not in owners:
            raise Misconfigured(
                f"{path} belongs to another user; remove it, or change MILLRACE_VAR"
            ) from None
    path.chmod(0o700)


def remove(path: Path, name: str, keep: Path) -> None:
    """Remove what is left of a socket that nothing listens on, and its folder unless that is `keep`."""
    for file in path.glob(f"{name}*"):
        file.unlink()
    if path != keep and path.exists():
        path.rmdir()
