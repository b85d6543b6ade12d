"""Free space on a disk of the embedded stack: what would leave too little is refused before it begins.

A full disk harms whatever else is on it, the databases first.
"""

from __future__ import annotations

import shutil
from pathlib import Path


def shortage(owner: str, folder: Path, min_free: int, *, what: str, size: int = 0) -> str | None:
    """Return why `what`, of at least `size` bytes, has to wait; None if it leaves `min_free` bytes.

    The folder may be missing as yet.

        shortage("the lake", folder, 2**30, what="new data of 5 MiB", size=5 * 2**20)
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free - size >= min_free:
        return None
    return (
        f"{owner}'s disk has {mib(free)} free, and {what} has to leave {mib(min_free)} (MILLRACE_MIN_FREE); "
        "free some space (`make clean WHAT=garbage` removes what no version of the data needs), or lower the "
        "limit"
    )


def mib(size: int) -> str:
    """Return a number of bytes in MiB, for people."""
    return f"{size / 2**20:,.0f} MiB"
