"""The checkout as the services see it: it is mounted into them, and they run as users of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.exceptions import Misconfigured

_FOLDERS = ("dags", "plugins", "include")


def check(checkout: Path) -> None:
    """Raise Misconfigured if a service could not read all of what is mounted, as where umask is 027."""
    if closed := sorted(_closed(checkout)):
        first, mode = closed[0].relative_to(checkout), closed[0].stat().st_mode & 0o777
        raise Misconfigured(
            f"the services run as users of their own, and {len(closed)} of the files and folders here are "
            f"closed to them, such as {first} (mode {mode:o}); run `chmod -R o+rX {' '.join(_FOLDERS)}`"
        )


def _closed(checkout: Path) -> Iterator[Path]:
    """What others may not read; bytecode is written anew where it cannot be read."""
    for folder in _FOLDERS:
        for path in (checkout / folder, *(checkout / folder).rglob("*")):
            needed = 0o005 if path.is_dir() else 0o004
            if path.stat().st_mode & needed != needed and "__pycache__" not in path.parts:
                yield path
